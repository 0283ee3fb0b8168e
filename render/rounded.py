"""A mesh drawn finer than it is: each face as four, whose new corners lie on the round surface that normals tell.

The middle of an edge is moved by half of what Phong tessellation (Boubekeur and Alexa 2008) would move it: the planes
through both ends, at right angles to their normals, are twice as far from the chord as the arc of a circle is. Vertices
stay where they are, and so does the shading: only outlines lose their corners. Eyeballs are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.compiled import kernel
from render.materials import EYE

_SHARP = 0.3  # cosine between the normals of an edge's ends: what turns more is a crease
_MOST = 0.12  # of an edge's length: no bulge is higher


@dataclass(frozen=True, eq=False)
class Rounded:
    """The finer mesh of a Look: its V vertices, then one for each edge."""

    ends: np.ndarray  # [E, 2] int32
    round: np.ndarray  # [E] bool: not on an eyeball
    faces: np.ndarray  # [4 F, 3] int32
    face_material: np.ndarray  # [4 F] int32
    uv: np.ndarray  # [U', 2] float32
    uv_faces: np.ndarray  # [4 F, 3] int32
    tint: np.ndarray  # [V + E, 3] float32

    def points(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """[V, 3] float32 and unit normals in the same axes -> [V + E, 3]."""
        out = np.empty((len(points) + len(self.ends), 3), np.float32)
        out[: len(points)] = points
        _bulge(points, np.ascontiguousarray(normals), self.ends, self.round, out[len(points) :])
        return out

    def halved(self, values: np.ndarray) -> np.ndarray:
        """Values [V, C] and their means over edges, [V + E, C]; none of none."""
        if not len(values):
            return values
        return np.concatenate([values, 0.5 * (values[self.ends[:, 0]] + values[self.ends[:, 1]])])


def rounded(look) -> Rounded:
    ends, faces = _split(look.faces, len(look.eye))
    uv_ends, uv_faces = _split(look.uv_faces, len(look.uv))
    eyes = np.zeros(len(look.eye), bool)
    eyes[look.faces[look.table[look.face_material, 6] == EYE]] = True
    middles = lambda values, of: np.concatenate([values, 0.5 * (values[of[:, 0]] + values[of[:, 1]])])  # noqa: E731
    return Rounded(
        ends, ~eyes[ends].any(1), faces, np.repeat(look.face_material, 4),
        middles(look.uv, uv_ends).astype(np.float32), uv_faces, middles(look.tint, ends).astype(np.float32),
    )  # fmt: skip


def _split(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges [E, 2] of faces [F, 3] over `count` vertices, and the four faces [4 F, 3] of each; new ones come last."""
    sides = np.sort(faces[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2), 1)
    ends, which = np.unique(sides, axis=0, return_inverse=True)
    a, b, c = faces.T
    across_a, across_b, across_c = (count + which.reshape(-1, 3)).T
    four = [(a, across_c, across_b), (across_c, b, across_a), (across_b, across_a, c), (across_a, across_b, across_c)]
    split = np.stack([np.stack(corners, 1) for corners in four], 1).reshape(-1, 3)
    return ends.astype(np.int32), np.require(split, np.int32, ["C", "W"])


@kernel("void(float32[:,::1], float32[:,::1], int32[:,::1], boolean[::1], float32[:,::1])", fastmath=True)
def _bulge(points, normals, ends, rounded, out):
    """Middles of edges, moved by a quarter of how far their ends lie below each other's planes."""
    for e in range(ends.shape[0]):
        i = np.uintp(ends[e, 0])
        j = np.uintp(ends[e, 1])
        dx = points[j, 0] - points[i, 0]
        dy = points[j, 1] - points[i, 1]
        dz = points[j, 2] - points[i, 2]
        out[e, 0] = points[i, 0] + np.float32(0.5) * dx
        out[e, 1] = points[i, 1] + np.float32(0.5) * dy
        out[e, 2] = points[i, 2] + np.float32(0.5) * dz
        like = normals[i, 0] * normals[j, 0] + normals[i, 1] * normals[j, 1] + normals[i, 2] * normals[j, 2]
        if not rounded[e] or not like > np.float32(_SHARP):
            continue
        first = dx * normals[i, 0] + dy * normals[i, 1] + dz * normals[i, 2]
        second = dx * normals[j, 0] + dy * normals[j, 1] + dz * normals[j, 2]
        mx = np.float32(0.125) * (second * normals[j, 0] - first * normals[i, 0])
        my = np.float32(0.125) * (second * normals[j, 1] - first * normals[i, 1])
        mz = np.float32(0.125) * (second * normals[j, 2] - first * normals[i, 2])
        high = np.sqrt(mx * mx + my * my + mz * mz)
        most = np.float32(_MOST) * np.sqrt(dx * dx + dy * dy + dz * dz)
        share = np.float32(1.0) if high <= most else most / high
        out[e, 0] += share * mx
        out[e, 1] += share * my
        out[e, 2] += share * mz
