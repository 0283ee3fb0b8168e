"""Networks that look and listen: faces in images."""
