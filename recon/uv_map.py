"""The head's UV atlas as texels: which triangle each texel lies on, and which texel lies across the face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.types import HeadArrays


@dataclass(frozen=True)
class UvMap:
    """The T texels of an atlas that lie on some of its materials. Row 0 of the atlas is v = 1."""

    size: int  # texels along each side
    texels: np.ndarray  # [T] flat indices, ascending
    corners: np.ndarray  # [T, 3] vertices
    barycentrics: np.ndarray  # [T, 3] float32
    mirror: np.ndarray  # [T] flat index of the texel across the sagittal plane; -1 where there is none

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Vertex values [V] or [V, C] -> texel values [T] or [T, C]."""
        weights = self.barycentrics if values.ndim == 1 else self.barycentrics[..., None]
        return sum(values[self.corners[:, k]] * weights[:, k] for k in range(3))

    def image(self, values: np.ndarray) -> np.ndarray:
        """Texel values [T] or [T, C] -> [size, size] or [size, size, C], zero elsewhere."""
        full = np.zeros((self.size * self.size, *values.shape[1:]), values.dtype)
        full[self.texels] = values
        return full.reshape(self.size, self.size, *values.shape[1:])

    def across(self, values: np.ndarray) -> np.ndarray:
        """Texel values [T, ...] as found across the face; zero where there is no mirror texel."""
        full = np.zeros((self.size * self.size + 1, *values.shape[1:]), values.dtype)
        full[self.texels] = values
        return full[self.mirror]


def uv_map(head: HeadArrays, size: int, materials: tuple[str, ...] = ("skin", "lips")) -> UvMap:
    """Rasterize the atlas; triangles of other materials are left out."""
    from render.raster_numba import rasterize_numba

    wanted = [k for k, name in enumerate(head.materials) if name in materials]
    chosen = np.flatnonzero(np.isin(head.face_material, wanted))
    clip = np.zeros((1, len(head.uv), 4))
    clip[0, :, :2] = head.uv * 2.0 - 1
    clip[0, :, 3] = 1
    triangles = np.ascontiguousarray(head.uv_faces[chosen], np.int32)
    face_id, bary, _ = rasterize_numba(clip, triangles, (size, size))
    texels = np.flatnonzero(face_id.ravel() >= 0)
    faces = chosen[face_id.ravel()[texels]]
    weights = bary.reshape(-1, 3)[texels].astype(np.float32)

    # the triangle across: the one whose vertices are the mirrored ones, in whatever order
    key = {tuple(sorted(f)): i for i, f in enumerate(head.faces.tolist())}
    mirrored = head.mirror[head.faces]
    partner = np.array([key.get(tuple(sorted(f)), -1) for f in mirrored.tolist()])
    order = (mirrored[:, :, None] == head.faces[partner][:, None, :]).argmax(-1)  # [F, 3] corner of the partner
    uv_across = head.uv[head.uv_faces[partner][np.arange(len(partner))[:, None], order]]  # [F, 3, 2]
    uv = (uv_across[faces] * weights[..., None]).sum(1)
    column = np.clip((uv[:, 0] * size).astype(np.int64), 0, size - 1)
    row = np.clip(((1 - uv[:, 1]) * size).astype(np.int64), 0, size - 1)
    mirror = row * size + column
    known = np.zeros(size * size, bool)
    known[texels] = True
    mirror[(partner[faces] < 0) | ~known[mirror]] = -1
    return UvMap(size, texels, head.faces[faces], weights, mirror)
