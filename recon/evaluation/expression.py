"""How near a performance's expressions come to the true ones: what moves, how far, on which side.

Displacements are vertices less the person's own neutral face, the head held still, so that neither pose nor identity
counts; the found ones are turned into the truth's axes by the rigid alignment of the two neutral faces. A vertex
weighs as much as it moves in the truth, root mean square over the frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.regions import known
from flame_tools.surface.alignment import align
from flame_tools.types import HeadArrays
from recon.evaluation.performances import Performance, common_times
from recon.synthetic.measures import displacement_correlation

# Ours and those of FLAME_masks.pkl
REGIONS = (
    "lips", "nose", "brow", "forehead", "eye_region", "left_lids", "right_lids", "left_eye_region", "right_eye_region",
)  # fmt: skip
MOVES_MM = 0.2  # a frame whose weighted root mean square displacement is less says nothing about correlation
STILL_M = 1e-6
STRONGEST = 0.9  # quantile of that displacement from which frames are the strongest
ONE_SIDED = 0.25  # share of the displacement that is not mirrored in itself, from which a frame is one-sided


@dataclass(frozen=True)
class ExpressionErrors:
    """Figures over frames; None where there is nothing to stand on. Amplitudes: 1 is as far as the truth."""

    displacement_correlation: float | None  # mean over moving frames of Pearson's, weighted; -1..1
    amplitude: float | None  # slope of found on true displacements, over all frames
    displacement_error_mm: float  # mean over face and frames of their difference
    gain: float | None  # share of the true displacements that is found: 1 - errors / displacements
    vertex_error_mm: float  # mean over face and frames, identity included, neutral faces aligned rigidly
    strongest_correlation: float | None  # of the tenth of the frames that moves most
    strongest_amplitude: float | None
    one_sided_correlation: float | None  # of what is not mirrored, over one-sided frames
    one_sided_amplitude: float | None
    one_sidedness: float | None  # mean over moving frames of the share that is not mirrored, in the truth
    regions: dict[str, dict[str, float]]  # name -> displacement_error_mm, vertex_error_mm, true_mm (how far it moves)
    moving: int  # frames
    one_sided: int
    frames: int


def expression_errors(found: Performance, truth: Performance, arrays: HeadArrays) -> ExpressionErrors:
    """Compare two performances on one head, at the moments of the truth that both know."""
    face = face_vertices(arrays)
    if len(found.neutral) != len(truth.neutral) or len(truth.neutral) != len(arrays.v_template):
        raise ShapeError(
            f"one face has {len(found.neutral)} vertices, the other {len(truth.neutral)}, head {arrays.id!r} "
            f"{len(arrays.v_template)}; move one with emberface convert --to HEAD"
        )
    times, true_times = common_times(found, truth)
    squares = sum((_moved(block, truth)[:, face] ** 2).sum((0, 2)) for block in truth.at(true_times))
    weights = np.sqrt(squares / len(times))
    weights = weights if weights.any() else np.ones(len(face))
    place = align(found.neutral[face], truth.neutral[face], kind="rigid")
    parts = _parts(arrays, face)
    rows: list[_Row] = []
    sums = {name: np.zeros(3) for name in parts}
    mirror = _mirror(arrays, face)
    for ours, theirs in zip(found.at(times), truth.at(true_times), strict=True):
        moved = (ours - found.neutral)[:, face] @ place.linear.T
        true = _moved(theirs, truth)[:, face]
        off = np.linalg.norm(moved - true, axis=2)
        apart = np.linalg.norm(place(ours[:, face]) - theirs[:, face], axis=2)
        far = np.linalg.norm(true, axis=2)
        for name, inside in parts.items():
            sums[name] += [1000 * values[:, inside].mean(1).sum() for values in (off, apart, far)]
        rows += [_Row.of(a, b, weights, mirror) for a, b in zip(moved, true, strict=True)]
    regions = {
        name: dict(
            zip(("displacement_error_mm", "vertex_error_mm", "true_mm"), (total / len(times)).tolist(), strict=True)
        )
        for name, total in sums.items()
    }
    whole = regions.pop("face")
    moving = [row for row in rows if row.size_mm >= MOVES_MM]
    limit = np.quantile([row.size_mm for row in rows], STRONGEST)
    strong = [row for row in moving if row.size_mm >= limit]
    lopsided = [row for row in moving if row.sided is not None and row.sided.share >= ONE_SIDED]
    shares = [row.sided.share for row in moving if row.sided is not None]
    return ExpressionErrors(
        displacement_correlation=_mean(row.correlation for row in moving),
        amplitude=_slope(rows),
        displacement_error_mm=whole["displacement_error_mm"],
        gain=1 - whole["displacement_error_mm"] / whole["true_mm"] if moving else None,
        vertex_error_mm=whole["vertex_error_mm"],
        strongest_correlation=_mean(row.correlation for row in strong),
        strongest_amplitude=_slope(strong),
        one_sided_correlation=_mean(row.sided.correlation for row in lopsided),
        one_sided_amplitude=_slope([row.sided for row in lopsided]),
        one_sidedness=_mean(shares),
        regions=regions,
        moving=len(moving),
        one_sided=len(lopsided),
        frames=len(times),
    )


@dataclass(frozen=True)
class _Row:
    """One frame, or the part of it that is not mirrored."""

    correlation: float
    size_mm: float  # weighted root mean square of the true displacement
    both: float  # weighted products: found with true, true with itself
    own: float
    share: float = 1.0
    sided: _Row | None = None

    @staticmethod
    def of(moved: np.ndarray, true: np.ndarray, weights: np.ndarray, mirror: np.ndarray | None) -> _Row:
        share = weights / weights.sum()
        both, own = float(share @ (moved * true).sum(1)), float(share @ (true * true).sum(1))
        sided = None
        if mirror is not None:
            part = _Row.of(_not_mirrored(moved, mirror), _not_mirrored(true, mirror), weights, None)
            part_share = float(np.sqrt(part.own / own)) if own > 0 else 0.0
            sided = _Row(part.correlation, part.size_mm, part.both, part.own, part_share)
        still = share @ (moved * moved).sum(1) < STILL_M**2  # what rounding leaves correlates with nothing
        correlation = 0.0 if still else displacement_correlation(moved, true, weights)
        return _Row(correlation, 1000 * float(np.sqrt(own)), both, own, 1.0, sided)


def _not_mirrored(moved: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """What is left of displacements [n, 3] when the part that both sides share is taken out."""
    return (moved - moved[mirror] * (-1, 1, 1)) / 2


def _moved(block: np.ndarray, performance: Performance) -> np.ndarray:
    return block - performance.neutral


def face_vertices(arrays: HeadArrays) -> np.ndarray:
    names = known(arrays, ["face"])
    return np.sort(arrays.regions["face"]) if names else np.arange(len(arrays.v_template))


def _parts(arrays: HeadArrays, face: np.ndarray) -> dict[str, np.ndarray]:
    """Masks over the face's vertices: all, both halves, and the regions that the head names."""
    side = arrays.v_template[face, 0]
    parts = {"face": np.ones(len(face), bool), "left_half": side > 0, "right_half": side < 0}
    for name in known(arrays, REGIONS):
        inside = np.isin(face, arrays.regions[name])
        if inside.any():
            parts[name] = inside
    return {name: inside for name, inside in parts.items() if inside.any()}


def _mirror(arrays: HeadArrays, face: np.ndarray) -> np.ndarray | None:
    """[n] the row of each face vertex's mirror image; None where the head or the region is not symmetric."""
    if len(arrays.mirror) != len(arrays.v_template):
        return None
    row = np.full(len(arrays.v_template), -1)
    row[face] = np.arange(len(face))
    mirror = row[arrays.mirror[face]]
    return np.where(mirror < 0, np.arange(len(face)), mirror) if (mirror >= 0).mean() > 0.95 else None


def _slope(rows) -> float | None:
    own = sum(row.own for row in rows)
    return sum(row.both for row in rows) / own if own > (1e-3 * MOVES_MM) ** 2 else None


def _mean(values) -> float | None:
    values = list(values)
    return float(np.mean(values)) if values else None
