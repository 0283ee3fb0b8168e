"""When the mouth moves, against when it should: the mean temporal misalignment of its extremes.

MTM after Chae-Yeon et al. (CVPR 2025): two openings are smoothed (a Gaussian of two frames at 30 a second), aligned by
dynamic time warping of their derivatives, and wherever the path joins a peak to a peak or a valley to a valley, and the
one lies between the other's neighbouring extremes, their distance in time counts. Ours differs in two ways: the opening
is the mean signed gap of the central inner-lip pairs, and the path stays within a second of the diagonal, so that time
and memory grow with the length and not with its square. Extremes that find no partner do not count: `events` says how
many did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMOOTHING_S = 2 / 30
BAND_S = 1.0


@dataclass(frozen=True)
class Misalignment:
    mean_ms: float
    events: int


def mean_temporal_misalignment(
    opening: np.ndarray,  # [T] mm
    against: np.ndarray,  # [T] mm
    times: np.ndarray,  # [T] seconds, of both
) -> Misalignment | None:
    """None where no extreme of one finds a partner in the other."""
    from scipy.ndimage import gaussian_filter1d

    from animate.misalignment_numba import warp

    if len(times) < 3:
        return None
    step = float(np.median(np.diff(times)))
    smooth = [gaussian_filter1d(np.asarray(path, np.float64), SMOOTHING_S / step) for path in (against, opening)]
    reference, other = (_extremes(path) for path in smooth)
    slopes = [np.diff(path, prepend=path[0]) for path in smooth]
    path = warp(*slopes, max(round(BAND_S / step), 1))
    places = np.array(sorted(reference), np.int64)
    apart = []
    for i, j in path.tolist():
        if reference.get(i, 0) == 0 or reference[i] != other.get(j, 0):
            continue
        at = int(np.searchsorted(places, i))
        left = places[at - 1] if at else 0
        right = places[at + 1] if at + 1 < len(places) else len(times) - 1
        if left <= j <= right:
            apart.append(abs(times[i] - times[j]))
    return Misalignment(float(np.mean(apart)) * 1e3, len(apart)) if apart else None


def _extremes(path: np.ndarray) -> dict[int, int]:
    """Frame -> +1 at a peak, -1 at a valley."""
    from scipy.signal import find_peaks

    return {int(i): sign for sign in (1, -1) for i in find_peaks(sign * path)[0]}
