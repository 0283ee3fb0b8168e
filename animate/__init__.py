"""animate: a voice to a performance. Knows geometry and sound, no images."""
