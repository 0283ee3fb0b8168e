"""Training of what `animate` brings along."""
