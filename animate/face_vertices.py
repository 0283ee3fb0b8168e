"""Which vertices a metric looks at, and where they are while the head is held still.

- lips: the region "lips"; where a head has none, the corners of the triangles that landmarks 48 to 67 of "68" are on.
- face: the region "face" and the lips; where a head has none, every vertex in front of the eye joints that does not
  turn with an eye.
- upper face: what of the face lies no lower, at rest, than the lowest of the lower lids' landmarks, and is no lip.
- all: every vertex of the mesh, eyeballs, teeth and tongue included.

Held still means: root, neck and translation at rest. What remains is what the face does, so that a nod is no error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.regions import known, region
from flame_tools.types import FaceParams, Track

_BLOCK = 64  # frames posed together
_MM = 1000.0
_LOWER_LIDS = (40, 41, 46, 47)  # of the 68 landmarks


@dataclass(frozen=True)
class FaceVertices:
    """Sorted vertex numbers of a head."""

    lips: np.ndarray  # [n]
    face: np.ndarray  # [n]
    upper: np.ndarray  # [n]

    @staticmethod
    def of(head: Head) -> FaceVertices:
        """Raises InputError where the head has neither the regions nor the landmarks that say where its lips are."""
        arrays = head.arrays
        if "68" not in arrays.landmarks:
            raise InputError(
                f"head {arrays.id!r} has no landmarks '68', so nothing says which of its vertices are lips or lids; "
                "measure on a head that has them: emberface convert --to HEAD moves a track there"
            )
        marks = arrays.landmarks["68"]
        shift = 68 - len(marks.faces)  # a set without the jaw line begins at 17
        rest = arrays.v_template.astype(np.float64)
        if known(arrays, ["lips"]):
            lips = region(arrays, "lips")
        else:
            lips = np.unique(arrays.faces[marks.faces[48 - shift :]])
        if known(arrays, ["face"]):
            face = np.union1d(region(arrays, "face"), lips)
        else:
            joints = arrays.J_regressor.astype(np.float64) @ rest
            eyeballs = arrays.weights[:, 3:5].sum(1) > 0.5
            face = np.union1d(np.flatnonzero((rest[:, 2] >= joints[3:5, 2].min()) & ~eyeballs), lips)
        corners = rest[arrays.faces[marks.faces]]  # [L, 3, 3]
        lids = np.einsum("lc,lcd->ld", marks.barycentrics, corners)[np.array(_LOWER_LIDS) - shift, 1]
        upper = np.setdiff1d(face[rest[face, 1] >= lids.min()], lips)
        return FaceVertices(lips, face, upper)


def common_times(track: Track, against: Track) -> np.ndarray:
    """Frame times [T] of `against` at which `track` is known too. Raises where there are none or the heads differ."""
    if track.head_id != against.head_id:
        raise ShapeError(
            f"one track is on head {track.head_id!r}, the other on {against.head_id!r}; move one of them with "
            "emberface convert --to HEAD"
        )
    low, high = float(track.time_s[0]), float(track.time_s[-1])
    times = np.asarray(against.time_s, np.float64)
    inside = times[(times >= low - 1e-6) & (times <= high + 1e-6)]
    if not len(inside):
        raise InputError(
            f"the tracks have no moment in common: one lasts from {low:.2f} to {high:.2f} s, the other from "
            f"{times[0]:.2f} to {times[-1]:.2f} s"
        )
    return inside


def still_blocks(
    track: Track,
    head: Head,
    times: np.ndarray,  # [T] seconds within the track
    shape: torch.Tensor,  # [S] whose face it is shown on
    *,
    vertices: np.ndarray | None = None,  # [n], all where None
) -> Iterator[np.ndarray]:
    """Yield vertices [t, n, 3] in mm, float64, of the head held still, a block of frames at a time.

    Between frames vertices move in straight lines.
    """
    if track.head_id != head.arrays.id:
        raise ShapeError(f"the track is on head {track.head_id!r}, not {head.arrays.id!r}; load that head")
    someone = head.bake(shape.to(head.v_template))
    if vertices is not None:
        someone = someone.only(torch.as_tensor(vertices))
    still = track.params.in_head_frame()
    at = np.clip(np.interp(times, track.time_s, np.arange(len(track))), 0, len(track) - 1)
    low = np.floor(at + 1e-9).astype(np.int64)
    share = np.maximum(at - low, 0.0)
    share[share < 1e-9] = 0.0
    for start in range(0, len(times), _BLOCK):
        rows = slice(start, start + _BLOCK)
        first = _posed(someone, still, low[rows])
        part = share[rows, None, None]
        if part.any():
            first = first + part * (_posed(someone, still, np.minimum(low[rows] + 1, len(track) - 1)) - first)
        yield _MM * first


def rest_mm(head: Head, shape: torch.Tensor) -> np.ndarray:
    """Vertices [V, 3] in mm of identity `shape` [S] at rest."""
    with torch.no_grad():
        return _MM * head.bake(shape.to(head.v_template)).v_template.double().numpy()


def _posed(someone: Head, params: FaceParams, rows: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return someone.vertices(params.frame(torch.from_numpy(rows))).double().numpy()
