"""The emotions that a page offers as sliders: ARKit poses, from action units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flame_tools import facs
from flame_tools.arkit import ARKIT_NAMES
from flame_tools.errors import InputError, ShapeError

# The prototypes of S. Du, Y. Tao and A. M. Martinez, "Compound facial expressions of emotion", PNAS 2014, table 1;
# contempt, which is not among them, is Ekman and Friesen's one-sided dimple and smile (1986).
EMOTION_UNITS = {
    "happy": "6 + 12 + 25B",
    "sad": "1 + 4C + 15 + 17C",
    "surprise": "1 + 2 + 5D + 26D",
    "fear": "1 + 2B + 4D + 5 + 20 + 26B",
    "disgust": "9 + 10 + 17B + 4A",
    "anger": "4 + 5B + 7 + 24D",
    "contempt": "R12D + R14",
}


def emotion_poses(poses: Mapping[str, np.ndarray] | None = None) -> dict[str, dict[str, float]]:
    """Each emotion's ARKit weights that are not 0, by name, rounded to four decimals.

    `poses` replaces the usual ones: name -> [52] in [0, 1] in the order of ARKIT_NAMES.
    """
    if poses is None:
        poses = {name: facs.to_arkit(units).numpy() for name, units in EMOTION_UNITS.items()}
    table = {}
    for name, pose in poses.items():
        weights = np.asarray(pose, np.float64)
        if weights.shape != (len(ARKIT_NAMES),):
            raise ShapeError(f"the pose of {name!r} is {list(weights.shape)}, wanted [{len(ARKIT_NAMES)}]")
        if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() <= 1):
            raise InputError(f"the pose of {name!r} holds weights outside 0 to 1; wanted ARKit weights")
        table[str(name)] = {
            arkit: round(float(w), 4) for arkit, w in zip(ARKIT_NAMES, weights, strict=True) if w >= 5e-5
        }
    return table
