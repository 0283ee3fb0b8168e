"""Whether an open mouth shows teeth: what tells a broad smile, teeth together, from a mouth that is open."""

from __future__ import annotations

import numpy as np

from readers.face_parts import LIP_PAIRS
from readers.sampling import bilinear
from render.materials import srgb_to_linear

_CHEEKS = (50, 280, 205, 425)  # skin to compare with
# From the upper (0) to the lower inner lip (1), where only a mouth whose teeth are together shows teeth; the network
# sets the lower lip too low, by up to a fifth.
_BETWEEN = np.linspace(0.42, 0.74, 8)
SMALLEST_GAP_PX = 2.5


def teeth_share(image: np.ndarray, landmarks: np.ndarray) -> float:
    """The share, in [0, 1], of the lower half of an open mouth that is filled by teeth, in image uint8 [H, W, 3].

    landmarks [468, 2] in pixels. Teeth are paler than the cheeks, and about as bright; tongue and lips are redder, the
    depth of the mouth is darker. NaN where the mouth is shut or too small to tell.
    """
    upper, lower = landmarks[[pair[0] for pair in LIP_PAIRS]], landmarks[[pair[1] for pair in LIP_PAIRS]]
    wide = np.linalg.norm(upper - lower, axis=1) > SMALLEST_GAP_PX
    if not wide[0]:
        return float("nan")
    points = upper[wide, None] + _BETWEEN[:, None] * (lower - upper)[wide, None]
    inside = _colours(image, points.reshape(-1, 2))
    cheek = np.median(_colours(image, landmarks[list(_CHEEKS)]), 0)
    bright = inside.mean(1) > 0.5 * cheek.mean()
    pale = _redness(inside) < 0.92 * _redness(cheek[None])[0]
    return float((bright & pale).mean())


def teeth_together(image: np.ndarray, landmarks: np.ndarray) -> float:
    """How surely, in [0, 1], the mouth is open and its teeth are together."""
    share = teeth_share(image, landmarks)
    return 0.0 if np.isnan(share) else float(np.clip((share - 0.25) / 0.35, 0, 1))


def _colours(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    return srgb_to_linear(bilinear(image, points[:, 0], points[:, 1]) / 255)


def _redness(colours: np.ndarray) -> np.ndarray:
    """[n] the logarithm of red over the mean of green and blue."""
    return np.log((colours[:, 0] + 0.005) / (colours[:, 1:].mean(1) + 0.005))
