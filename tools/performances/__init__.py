"""How the corpus of performances is made that the bundled speech to motion learns from; see __main__."""
