"""How near the lips of a reconstruction come to the true ones: their gap, their closures, their landmarks.

Gaps and closures are those of `flame_tools.lips`, on each person's own central pairs at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.errors import InputError
from flame_tools.lips import CLOSED_MM, central_pairs, gaps_mm, widths_mm
from flame_tools.surface.alignment import align
from flame_tools.types import HeadArrays
from recon.evaluation.expression import face_vertices
from recon.evaluation.performances import Performance, common_times
from recon.scan.skin import numbered_landmarks

# MediaPipe's points that are iBUG's 48 to 67: outer, then inner lips
LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87)


@dataclass(frozen=True)
class LipErrors:
    """Figures over frames; None where there is nothing to stand on."""

    lip_gap_error_mm: float  # mean over frames and central pairs of the difference of the gaps
    lip_gap_bias_mm: float  # the same with its sign: positive where lips are too far apart
    lip_gap_correlation: float | None  # Pearson's over frames, of the mean gap
    closure_kept: float | None  # share of the truly closed frames that are closed
    closure_false: float | None  # share of the truly open frames that are closed
    lip_landmark_error_mm: float | None  # mean over the twenty landmarks, faces aligned rigidly in each frame
    mouth_width_error_mm: float  # mean difference of the distance between the corners
    closed: int  # frames, in the truth
    frames: int


def lip_errors(found: Performance, truth: Performance, arrays: HeadArrays) -> LipErrors:
    """Compare the lips of two performances on one head, at the moments of the truth that both know.

    Raises InputError where the head has no pairs of inner lips.
    """
    pairs = np.asarray(arrays.inner_lip_pairs, int).reshape(-1, 2)
    if not len(pairs):
        raise InputError(
            f"head {arrays.id!r} has no inner_lip_pairs; emberface head add FILES, its landmark files among them"
        )
    times, true_times = common_times(found, truth)
    face, marks = face_vertices(arrays), _lip_marks(arrays)
    ours, theirs = _Mouth(found, pairs), _Mouth(truth, pairs)
    gaps, true_gaps, widths, off = [], [], [], []
    for mine, true in zip(found.at(times), truth.at(true_times), strict=True):
        gaps.append(ours.gaps_mm(mine))
        true_gaps.append(theirs.gaps_mm(true))
        widths.append(np.abs(ours.widths_mm(mine) - theirs.widths_mm(true)))
        if marks is not None:
            corners, shares = marks
            for one, other in zip(mine, true, strict=True):
                place = align(one[face], other[face], kind="rigid")
                apart = np.einsum("lk,lkc->lc", shares, place(one)[corners] - other[corners])
                off.append(1000 * np.linalg.norm(apart, axis=1).mean())
    closed, truly = (np.concatenate([(np.abs(g) <= CLOSED_MM).all(1) for g in rows]) for rows in (gaps, true_gaps))
    mean, true_mean = (np.concatenate([g.mean(1) for g in rows]) for rows in (gaps, true_gaps))
    # each person's own pairs are central, and there may be more of them in one than in the other: means are compared
    same = np.array_equal(ours.central, theirs.central)
    errors = np.concatenate(
        [np.abs(a - b).mean(1) for a, b in zip(gaps, true_gaps, strict=True)] if same else [np.abs(mean - true_mean)]
    )
    return LipErrors(
        lip_gap_error_mm=float(errors.mean()),
        lip_gap_bias_mm=float((mean - true_mean).mean()),
        lip_gap_correlation=_correlation(mean, true_mean),
        closure_kept=float(closed[truly].mean()) if truly.any() else None,
        closure_false=float(closed[~truly].mean()) if not truly.all() else None,
        lip_landmark_error_mm=float(np.mean(off)) if off else None,
        mouth_width_error_mm=float(np.concatenate(widths).mean()),
        closed=int(truly.sum()),
        frames=len(times),
    )


class _Mouth:
    """The inner lips of one person."""

    def __init__(self, performance: Performance, pairs: np.ndarray):
        self.pairs = pairs
        self.central = central_pairs(performance.neutral, pairs)

    def gaps_mm(self, block: np.ndarray) -> np.ndarray:
        """[t, central pairs] upper less lower."""
        return gaps_mm(block, self.pairs[self.central])

    def widths_mm(self, block: np.ndarray) -> np.ndarray:
        """[t] between the corners."""
        return widths_mm(block, self.pairs)


def _lip_marks(arrays: HeadArrays) -> tuple[np.ndarray, np.ndarray] | None:
    """Corners [20, 3] and barycentrics [20, 3] of the lips' landmarks; None where the head lacks some."""
    numbers, places = numbered_landmarks(arrays)
    rows = [np.flatnonzero(numbers == number)[0] for number in LIPS if number in numbers]
    if len(rows) < len(LIPS):
        return None
    return arrays.faces[places.faces[rows]], places.barycentrics[rows]


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    if len(a) < 3 or a.std() < 1e-6 or b.std() < 1e-6:
        return None
    return float(np.corrcoef(a, b)[0, 1])
