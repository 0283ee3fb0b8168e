"""Pictures to one texture: where the skin is seen, in which light, and what colour it is."""
