"""How near reconstructions come to the truth: scans, expressions, lips; each in all and by groups of pictures."""
