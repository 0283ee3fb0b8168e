"""What a crop and its fit are worth, in numbers from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.smooth import falling
from readers.faces import FaceReading
from recon.pipeline import MOST_OUTSIDE, MOST_UNSTEADY

STEADY = 0.008  # spread of the landmarks over the face's size that costs nothing
GOOD_ERROR, MOST_ERROR = 0.02, 0.08  # of the fitted landmarks, over the distance between the eyes: costs nothing, all
SHARP, MOST_BLUR = 0.5, 0.8  # blur that costs nothing, and all
_TAPS = 9


@dataclass(frozen=True)
class Quality:
    """Each in [0, 1]; 1 is best."""

    score: float  # the landmark network's belief that this is a face
    steady: float  # how little its landmarks waver over slightly different crops
    whole: float  # how little of it lies beyond the picture
    sharp: float
    fitted: float  # how near the fitted head's landmarks come

    @property
    def total(self) -> float:
        """The product: one bad part is enough."""
        return self.score * self.steady * self.whole * self.sharp * self.fitted


def quality_of(reading: FaceReading, blurred: float, error: float) -> Quality:
    """Of a face that was read, whose crop is so `blurred` and whose fit errs by `error`."""
    return Quality(
        reading.score,
        falling(reading.unsteadiness, STEADY, MOST_UNSTEADY),
        falling(reading.outside, 0.0, MOST_OUTSIDE),
        falling(blurred, SHARP, MOST_BLUR),
        falling(error, GOOD_ERROR, MOST_ERROR),
    )


def blur(picture: np.ndarray) -> float:
    """Of a picture uint8 [H, W, 3], in [0, 1]: how much of the steps from pixel to pixel is left when it is blurred.

    Eqs. 1-10, Crete et al. 2007, "The blur effect": what is sharp loses most of them, what is blurred hardly any.
    """
    from scipy.ndimage import uniform_filter1d

    grey = picture.astype(np.float64) @ (0.299, 0.587, 0.114)
    left = []
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis))
        softer = np.abs(np.diff(uniform_filter1d(grey, _TAPS, axis=axis, mode="nearest"), axis=axis))
        total = float(steps.sum())
        lost = float(np.maximum(steps - softer, 0).sum())
        left.append((total - lost) / total if total > 0 else 1.0)
    return max(left)
