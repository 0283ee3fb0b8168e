"""How the speech corpus is made that `emberface-speech` learns from; see __main__."""
