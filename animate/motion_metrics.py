"""How near is one performance to another? The published errors of vertices, each variant by its own name.

Both tracks are shown on the identity of `against`, the head held still (see face_vertices), at the frame times of
`against` that both know. Distances are in millimetres. With d the vectors between the two tracks' vertices:

- `mve_mm`: mean of |d| over all vertices and frames (MVE). `mve_face_mm`: over the face alone.
- `lve_codetalker_mm2`: mean over frames of the largest |d|^2 of a lip vertex (Xing et al. 2023, after Fan et al. 2022).
- `lve_artalk_mm`: the square root of that mean (Chu et al. 2025).
- `lve_meshtalk_mm`: mean over frames of the largest |d| of a lip vertex, d less its own mean over time
  (Richard et al. 2021 measure mean-centred meshes: an offset that stays does not count).
- `fdd_mm2`: with m a vertex less its place at rest, mean over upper-face vertices of the deviation over time of |m|^2
  in `against`, less the same in `track` (Xing et al. 2023). Positive: `track` moves less. `abs_fdd_mm2` is its size.
- `lip_gap_error_mm`: mean over frames and the central inner-lip pairs of the difference of the signed gaps.
- `mtm_ms`: see misalignment. `jitter_mm_s2`, `against_jitter_mm_s2`: see jitter.
- `slcc_windows`: see lip_intensity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from animate.face_vertices import FaceVertices, common_times, rest_mm, still_blocks
from animate.jitter import track_jitter
from animate.lip_intensity import slcc_windows
from animate.misalignment import mean_temporal_misalignment
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.lips import Lips
from flame_tools.types import Track

_GAP_BLOCK = 4096


@dataclass(frozen=True)
class MotionReport:
    """Figures of `track` against another; None where there is nothing to stand on."""

    mve_mm: float
    mve_face_mm: float
    lve_codetalker_mm2: float
    lve_artalk_mm: float
    lve_meshtalk_mm: float
    fdd_mm2: float
    abs_fdd_mm2: float
    lip_gap_error_mm: float | None
    mtm_ms: float | None
    mtm_events: int  # extremes of the mouth's opening that mtm_ms stands on
    jitter_mm_s2: float | None
    against_jitter_mm_s2: float | None
    slcc_windows: float | None
    against_slcc_windows: float | None
    frames: int


def motion_report(track: Track, against: Track, head: Head) -> MotionReport:
    """Compare two performances on one head. Raises where their heads differ or they have no moment in common."""
    times, shape, vertices = common_times(track, against), against.params.shape, FaceVertices.of(head)
    errors = _VertexErrors(vertices, rest_mm(head, shape))
    for ours, theirs in zip(_blocks(track, head, times, shape), _blocks(against, head, times, shape), strict=True):
        errors.add(ours, theirs)
    lips = vertices.lips
    pairs = zip(
        still_blocks(track, head, times, shape, vertices=lips),
        still_blocks(against, head, times, shape, vertices=lips),
        strict=True,
    )
    centred = np.concatenate([_largest(ours - theirs - errors.mean_difference()[lips]) for ours, theirs in pairs])
    gaps = None if not len(head.arrays.inner_lip_pairs) else [_gaps(t, head, times, shape) for t in (track, against)]
    misaligned = None
    if gaps is not None:
        misaligned = mean_temporal_misalignment(gaps[0].mean(1), gaps[1].mean(1), times)
    squared, fdd = errors.largest_squared(), errors.dynamics_deviation()
    return MotionReport(
        mve_mm=errors.mean_distance("all"),
        mve_face_mm=errors.mean_distance("face"),
        lve_codetalker_mm2=squared,
        lve_artalk_mm=float(np.sqrt(squared)),
        lve_meshtalk_mm=float(centred.mean()),
        fdd_mm2=fdd,
        abs_fdd_mm2=abs(fdd),
        lip_gap_error_mm=None if gaps is None else float(np.abs(gaps[0] - gaps[1]).mean()),
        mtm_ms=misaligned.mean_ms if misaligned else None,
        mtm_events=misaligned.events if misaligned else 0,
        jitter_mm_s2=track_jitter(track, head, vertices.face),
        against_jitter_mm_s2=track_jitter(against, head, vertices.face),
        slcc_windows=slcc_windows(track, head, lips),
        against_slcc_windows=slcc_windows(against, head, lips),
        frames=len(times),
    )


def diversity(tracks: list[Track], head: Head) -> dict[str, float | int]:
    """How much takes of one line differ: mean distance in mm over frames, vertices and pairs of tracks.

    `diversity_mm` is of the face, `diversity_lips_mm` and `diversity_upper_mm` of its parts; all are shown on the
    identity of the first track, at its frame times. Raises InputError for fewer than two tracks.
    """
    if len(tracks) < 2:
        raise InputError(f"diversity is between takes, and there is {len(tracks)}; give at least two tracks")
    times = tracks[0].time_s
    for other in tracks[1:]:
        times = np.intersect1d(times, common_times(other, tracks[0]))
    vertices, shape = FaceVertices.of(head), tracks[0].params.shape
    parts = {"diversity_mm": vertices.face, "diversity_lips_mm": vertices.lips, "diversity_upper_mm": vertices.upper}
    columns = {name: np.searchsorted(vertices.face, part) for name, part in parts.items()}
    sums = dict.fromkeys(parts, 0.0)
    takes = (still_blocks(track, head, times, shape, vertices=vertices.face) for track in tracks)
    for blocks in zip(*takes, strict=True):
        for i, one in enumerate(blocks):
            for other in blocks[:i]:
                apart = np.linalg.norm(one - other, axis=-1)
                for name, part in columns.items():
                    sums[name] += float(apart[:, part].mean(1).sum())
    pairs = len(tracks) * (len(tracks) - 1) // 2
    return {name: total / pairs / len(times) for name, total in sums.items()} | {
        "tracks": len(tracks),
        "frames": len(times),
    }


class _VertexErrors:
    """Sums over blocks of frames from which the errors come."""

    def __init__(self, vertices: FaceVertices, rest: np.ndarray):
        self.vertices, self.rest, self.frames = vertices, rest, 0
        self.distance = {"all": 0.0, "face": 0.0}
        self.difference = np.zeros_like(rest)
        self.squared = 0.0
        self.moving = {"ours": _Deviation(len(vertices.upper)), "theirs": _Deviation(len(vertices.upper))}

    def add(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        """Add frames [t, V, 3]."""
        difference = ours - theirs
        apart = np.linalg.norm(difference, axis=-1)
        self.frames += len(apart)
        self.distance["all"] += float(apart.mean(1).sum())
        self.distance["face"] += float(apart[:, self.vertices.face].mean(1).sum())
        self.difference += difference.sum(0)
        self.squared += float((_largest(difference[:, self.vertices.lips]) ** 2).sum())
        upper = self.vertices.upper
        for name, posed in (("ours", ours), ("theirs", theirs)):
            self.moving[name].add(((posed[:, upper] - self.rest[upper]) ** 2).sum(-1))

    def mean_distance(self, part: str) -> float:
        return self.distance[part] / self.frames

    def mean_difference(self) -> np.ndarray:  # [V, 3]
        return self.difference / self.frames

    def largest_squared(self) -> float:
        return self.squared / self.frames

    def dynamics_deviation(self) -> float:
        return float(self.moving["theirs"].deviation().mean() - self.moving["ours"].deviation().mean())


class _Deviation:
    """Standard deviation over time of many series, block by block (Chan, Golub & LeVeque 1983)."""

    def __init__(self, size: int):
        self.count, self.mean, self.square = 0, np.zeros(size), np.zeros(size)

    def add(self, values: np.ndarray) -> None:
        """Add rows [t, size]."""
        count, mean = len(values), values.mean(0)
        apart, whole = mean - self.mean, self.count + len(values)
        self.square += ((values - mean) ** 2).sum(0) + apart**2 * (self.count * count / whole)
        self.mean += apart * (count / whole)
        self.count = whole

    def deviation(self) -> np.ndarray:
        return np.sqrt(self.square / self.count)


def _blocks(track: Track, head: Head, times: np.ndarray, shape: torch.Tensor) -> Iterator[np.ndarray]:
    return still_blocks(track, head, times, shape)


def _largest(difference: np.ndarray) -> np.ndarray:
    """[t] length of the longest of vectors [t, n, 3]."""
    return np.linalg.norm(difference, axis=-1).max(1)


def _gaps(track: Track, head: Head, times: np.ndarray, shape: torch.Tensor) -> np.ndarray:
    """Signed gaps [T, central pairs] in mm at `times`, linear between frames."""
    lips = Lips(head, shape)
    blocks = range(0, len(track), _GAP_BLOCK)
    own = np.concatenate([lips.gaps_mm(track.params.frame(slice(at, at + _GAP_BLOCK))) for at in blocks])
    return np.stack([np.interp(times, track.time_s, column) for column in own.T], -1)
