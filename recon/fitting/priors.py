"""What is known of a face before the picture is looked at, and how far a landmark may be trusted."""

from __future__ import annotations

import numpy as np

from flame_tools.types import HeadArrays
from readers.landmarks import LEFT_EYE, RIGHT_EYE
from recon.fitting.layout import Layout

IRIS_SD = 0.08  # relative: people differ by 4 %, the reader by more
FOCAL_OVER_LONG_SIDE = 1.4  # a 50 mm lens on a 36 mm sensor
FOCAL_LOG_SD = 0.12  # kept tight: landmarks tell perspective from the shape of a face only poorly
DISTANCE_M, DISTANCE_LOG_SD = 1.2, 0.6  # where people stand for a portrait
LID_SD, GAZE_SD, GAZE_APART_SD = 0.5, 0.25, 0.05
JAW_OPEN_SD, JAW_SIDE_SD = 0.4, 0.3  # shares of jawOpen and jawLeft at 1
JAW_TOGETHER_SD = 0.02  # the same of jawOpen where the picture shows teeth together

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
# Facing points of the lids' edges, upper then lower, as LIP_PAIRS are of the lips: how far they are apart is what a
# viewer sees.
LID_PAIRS = ((159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373))
BROWS = (*(70, 63, 105, 66, 107, 55, 65, 52, 53, 46), *(300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
# The wings of the nose: the network sets these a few per cent beside them, more so in a smile.
WINGS = (
    *(48, 49, 64, 98, 102, 115, 129, 131, 198, 209, 217, 219, 220, 235, 240, 59, 75, 60, 166, 79, 218, 237),
    *(278, 279, 294, 327, 331, 344, 358, 360, 420, 429, 437, 439, 440, 455, 460, 289, 305, 290, 392, 309, 438, 457),
)


def landmark_trust() -> np.ndarray:
    """[468] weights: features that are seen count more than skin between them, which a network can only guess."""
    trust = np.full(468, 0.7)
    trust[list(BROWS)] = 1.0
    trust[list(LIPS)] = 1.5
    trust[[*RIGHT_EYE, *LEFT_EYE]] = 1.5
    trust[list(OVAL)] = 0.7
    trust[list(WINGS)] = 0.15
    return trust


def bounds(head: HeadArrays, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value [K] of every unknown."""
    low, high = np.full(layout.size, -np.inf), np.full(layout.size, np.inf)
    low[layout.shape], high[layout.shape] = -4, 4
    low[layout.expression], high[layout.expression] = head.expression_bounds.T
    low[layout.jaw], high[layout.jaw] = (-0.03, -head.jaw_side_rad), (head.jaw_open_rad, head.jaw_side_rad)
    up, down, inward, outward = head.look_rad
    low[layout.eyes] = (-up, -inward, -up, -outward)  # the left eye's +y looks to the subject's left, outward
    high[layout.eyes] = (down, outward, down, inward)
    low[layout.eyelids], high[layout.eyelids] = 0, 1
    return low, high


def tongue_in(head: HeadArrays, layout: Layout) -> slice:
    """Where the unknowns of a head hold how far the tongue is out; empty where it has none."""
    at = layout.expression.start + [*head.expression_names, "tongueOut"].index("tongueOut")
    return slice(at, min(at + 1, layout.expression.stop))


def prior(
    head: HeadArrays, layout: Layout, *, together: float = 0.0, tongue: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [K] of every unknown; pose and camera are free here.

    `together` in [0, 1] says how surely the teeth are together, `tongue` how far the tongue is out.
    """
    jaw_open_sd = JAW_OPEN_SD ** (1 - together) * JAW_TOGETHER_SD**together
    mean, sd = np.zeros(layout.size), np.full(layout.size, np.inf)
    sd[layout.shape] = 1
    sd[layout.expression] = head.expression_sd
    mean[tongue_in(head, layout)] = tongue
    sd[layout.jaw] = (jaw_open_sd * head.jaw_open_rad, JAW_SIDE_SD * head.jaw_side_rad)
    sd[layout.eyes] = GAZE_SD
    sd[layout.eyelids] = LID_SD
    return mean, sd
