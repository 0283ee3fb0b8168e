"""What is known of a face before the picture is looked at, and how far a landmark may be trusted."""

from __future__ import annotations

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import HeadArrays
from readers.face_parts import BROWS, LEFT_EYE, LIPS, OVAL, RIGHT_EYE, WINGS
from recon.fitting.layout import Layout

IRIS_SD = 0.08  # relative: people differ by 4 %, the reader by more
FOCAL_OVER_LONG_SIDE = 1.4  # a 50 mm lens on a 36 mm sensor
FOCAL_LOG_SD = 0.12  # kept tight: landmarks tell perspective from the shape of a face only poorly
DISTANCE_M, DISTANCE_LOG_SD = 1.2, 0.6  # where people stand for a portrait
LID_SD, GAZE_SD, GAZE_APART_SD = 0.5, 0.25, 0.05
SIDES_SD = 0.6  # how far what a face does left and right is apart, in deviations of either: most move both alike
PEOPLE_SHARE = 0.5  # of the way to `HeadArrays.people_mean`, which is one face and not known to be all people's
JAW_OPEN_SD, JAW_SIDE_SD = 0.4, 0.3  # shares of jawOpen and jawLeft at 1
JAW_TOGETHER_SD = 0.02  # the same of jawOpen where the picture shows teeth together

_SIDEWAYS = ("mouth", "jaw")  # mouthLeft moves all of it to the left


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


def sides(head: HeadArrays) -> np.ndarray:
    """[n, 2] the components of a head's expression that are one motion's left and right, by ARKit's names."""
    names = {name: k for k, name in enumerate(head.expression_names)}
    lefts = [name for name in names if name.endswith("Left") and name.removesuffix("Left") not in _SIDEWAYS]
    pairs = [(names[left], names.get(left.removesuffix("Left") + "Right", -1)) for left in lefts]
    return np.array([pair for pair in pairs if min(pair) >= 0], int).reshape(-1, 2)


def prior(
    head: HeadArrays, layout: Layout, *, together: float = 0.0, tongue: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [K] of every unknown; pose and camera are free here.

    Raises ShapeError for a head whose jaw has no reach: a FLAME file that was not registered.

    `together` in [0, 1] says how surely the teeth are together, `tongue` how far the tongue is out.
    """
    if not head.jaw_open_rad > 0:
        raise ShapeError(
            f"head {head.id!r} does not say how far its jaw opens; emberface head add FILES finds out, and then "
            "--head NAME"
        )
    jaw_open_sd = JAW_OPEN_SD ** (1 - together) * JAW_TOGETHER_SD**together
    mean, sd = np.zeros(layout.size), np.full(layout.size, np.inf)
    if len(head.people_mean):
        mean[layout.shape] = PEOPLE_SHARE * head.people_mean[layout.shape]
    sd[layout.shape] = 1
    sd[layout.expression] = head.expression_sd
    mean[tongue_in(head, layout)] = tongue
    sd[layout.jaw] = (jaw_open_sd * head.jaw_open_rad, JAW_SIDE_SD * head.jaw_side_rad)
    sd[layout.eyes] = GAZE_SD
    sd[layout.eyelids] = LID_SD
    return mean, sd
