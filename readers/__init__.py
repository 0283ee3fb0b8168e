"""Networks that look: faces in pictures and films, what lips say and faces feel."""
