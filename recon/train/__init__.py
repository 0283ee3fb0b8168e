"""Training of what `recon` brings along."""
