"""The published networks from image to FLAME, of our own writing, with the published names and sizes.

Sizes, names and the order of operations are facts, taken from the papers and the authors' code; none of it is copied.
`recon.networks.checkpoints` loads the authors' files.
"""
