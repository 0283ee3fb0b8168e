"""What the networks that animate are taught by, an idea a file."""
