"""Images and videos to head parameters."""
