"""Pictures of known faces: made people under random light and cameras, with the truth beside every picture.

For measuring and for teaching what reads and fits faces. Any head with landmarks and ARKit names serves.
"""
