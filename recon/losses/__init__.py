"""What networks from image to face are taught by, an idea a file.

Points in a picture are in crop units throughout, as `recon.networks.codes.projected` gives them: x to the right and y
downwards, the picture's sides at -1 and 1. Pictures are [..., 3, H, W] in [0, 1]. Every loss is one number, a mean over
what counts; weights are the caller's.
"""
