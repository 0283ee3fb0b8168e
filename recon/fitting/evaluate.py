"""How well a fit meets landmarks that it has not seen, as shares of the distance between the eyes.

The distance is the 3D one between the eye joints, in pixels at their depth, so that it does not collapse in profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.types import HeadArrays
from recon.fitting.fit import LandmarkFit, fit, fit_many
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.observation import FitOptions, Observation

# iBUG's 68 points among MediaPipe's 468: jaw line, brows, nose, eyes, outer lips, inner lips (Sagonas et al. 2013).
IBUG_68 = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)


@dataclass(frozen=True)
class Score:
    """Errors at landmarks that were left out of the fit; fractions of the distance between the eyes."""

    nme_468: float
    nme_68: float
    errors: np.ndarray  # [468] of each landmark, from the fit that had not seen it
    fit: LandmarkFit  # on the landmarks with even numbers: a start for a fit to all


def halves() -> tuple[np.ndarray, np.ndarray]:
    """Masks [468]: the landmarks with even and with odd numbers."""
    even = np.arange(468) % 2 == 0
    return even, ~even


def errors(found: LandmarkFit, seen: np.ndarray) -> np.ndarray:
    """[468] distances of a fit's landmarks from seen [468, 2] over the distance between the eyes."""
    return np.linalg.norm(found.projected - seen, axis=-1) / found.eye_distance


def cross_errors(
    head: HeadArrays,
    model: LandmarkModel,
    seen: Sequence[Observation],
    *,
    start: Sequence[LandmarkFit] | None = None,  # fits to all landmarks, to begin from
    **shared: bool,  # what fit_many says of several pictures
) -> np.ndarray:
    """[T, 468] errors at landmarks of pictures of one person, each from the fit to the other half of them."""
    left_out = np.empty((len(seen), 468))
    even, odd = halves()
    begun = None if start is None else np.stack([one.unknowns for one in start])
    for use, score in ((even, odd), (odd, even)):
        fits = fit_many(head, model, [s.only(use) for s in seen], start=begun, **shared)
        for row, found, s in zip(left_out, fits, seen, strict=True):
            row[score] = errors(found, s.landmarks)[score]
    return left_out


def cross_score(
    head: HeadArrays, model: LandmarkModel, seen: Observation, *, options: FitOptions | None = None
) -> Score:
    """Fit on each half of the landmarks and score it on the other half."""
    left_out, fits = np.empty(468), []
    even, odd = halves()
    for use, score in ((even, odd), (odd, even)):
        fits.append(fit(head, model, seen.only(use), options=options or FitOptions()))
        left_out[score] = errors(fits[-1], seen.landmarks)[score]
    return score_of(fits[0], left_out)


def score_of(found: LandmarkFit, off: np.ndarray) -> Score:
    """The score of errors [468]."""
    return Score(float(off.mean()), float(off[list(IBUG_68)].mean()), off, found)
