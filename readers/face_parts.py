"""Which of MediaPipe's 468 landmarks lie on what. "Right" and "left" are the subject's."""

RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (33, 133), (263, 362)  # outer, inner
# Eye contours: lower lid from the outer to the inner corner, then upper lid likewise without the corners.
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)

# Facing points of the inner lips, upper then lower, the middle first.
LIP_PAIRS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318))
# Facing points of the lids' edges, upper then lower, as LIP_PAIRS are of the lips: how far they are apart is what a
# viewer sees.
LID_PAIRS = ((159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373))

# The face's outline in MediaPipe's order: the tessellation's rim, clockwise from the top of the forehead.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150),
    *(136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
# Outer then inner ring of the lips.
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
)
BROWS = (*(70, 63, 105, 66, 107, 55, 65, 52, 53, 46), *(300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
# The wings of the nose: the network sets these a few per cent beside them, more so in a smile.
WINGS = (
    *(48, 49, 64, 98, 102, 115, 129, 131, 198, 209, 217, 219, 220, 235, 240, 59, 75, 60, 166, 79, 218, 237),
    *(278, 279, 294, 327, 331, 344, 358, 360, 420, 429, 437, 439, 440, 455, 460, 289, 305, 290, 392, 309, 438, 457),
)
