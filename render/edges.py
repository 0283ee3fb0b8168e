"""The edges of a triangle mesh, and the corners across them: which of them are outlines depends on the view."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Edges:
    """E edges of one or two faces, in ascending order of their ends."""

    ends: np.ndarray  # [E, 2] int32 vertices, the lower first
    opposite: np.ndarray  # [E, 2] int32 the third corners of the faces that share it; twice the same on a rim


def edges_of(faces: np.ndarray) -> Edges:
    """Edges of faces [F, 3] int32. Edges of three faces or more, and of faces with a corner twice, are left out."""
    return _edges(np.ascontiguousarray(faces, np.int32).tobytes())


@lru_cache(maxsize=16)
def _edges(buffer: bytes) -> Edges:
    faces = np.frombuffer(buffer, np.int32).reshape(-1, 3)
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    ends = np.sort(np.concatenate([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]]), 1)
    corner = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    order = np.lexsort((ends[:, 1], ends[:, 0]))  # stable: of two faces the lower comes first
    ends, corner = ends[order], corner[order]
    starts = np.flatnonzero(np.r_[True, (ends[1:] != ends[:-1]).any(1)] if len(ends) else [])
    count = np.diff(np.r_[starts, len(ends)])
    starts, count = starts[count <= 2], count[count <= 2]
    return Edges(ends[starts], np.stack([corner[starts], corner[starts + count - 1]], 1))
