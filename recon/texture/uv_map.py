"""The head's UV atlas as texels: which triangle each texel lies on, and which texel lies across the face."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.kept import kept_with_head
from flame_tools.types import HeadArrays


@dataclass(frozen=True)
class UvMap:
    """The T texels of an atlas that lie on some of its materials. Row 0 of the atlas is v = 1."""

    size: int  # texels along each side
    texels: np.ndarray  # [T] flat indices, ascending
    corners: np.ndarray  # [T, 3] vertices
    barycentrics: np.ndarray  # [T, 3] float32
    mirror: np.ndarray  # [T] flat index of the texel across the sagittal plane; size^2 where there is none
    material: np.ndarray  # [size, size] int32 into the head's materials, -1 where the atlas is empty

    def part(self, chosen: np.ndarray) -> UvMap:
        """Only the texels where `chosen` [T] is True."""
        return dataclasses.replace(
            self,
            texels=self.texels[chosen],
            corners=self.corners[chosen],
            barycentrics=self.barycentrics[chosen],
            mirror=self.mirror[chosen],
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Vertex values [V] or [V, C] -> texel values [T] or [T, C], float32."""
        from recon.texture.texels_numba import spread

        if len(self.corners) and len(values) <= self.corners.max():
            raise ShapeError(f"values are {list(values.shape)}, wanted one for each vertex of the head")
        out = np.empty((len(self.texels), *values.shape[1:]), np.float32)
        wide = np.ascontiguousarray(values, np.float32).reshape(len(values), -1)
        spread(wide, self.corners, self.barycentrics, out.reshape(len(out), wide.shape[1]))
        return out

    def interpolated(self, image: np.ndarray) -> np.ndarray:
        """An image [h, w, C] over the whole atlas -> texel values [T, C] float32, linear between pixels."""
        from recon.texture.texels_numba import interpolate

        out = np.empty((len(self.texels), image.shape[2]), np.float32)
        interpolate(np.ascontiguousarray(image, np.float32), self.texels, self.size, out)
        return out

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


def check_uv(head: HeadArrays) -> None:
    """Raise ShapeError for a head without texture coordinates: what a picture shows of a face has nowhere to go."""
    if not len(head.uv):
        raise ShapeError(
            f"head {head.id!r} has no texture coordinates, and pictures are fitted with a texture; emberface head add "
            "FILES with those that bring them (FLAME's head_template.obj), and then --head NAME"
        )


@kept_with_head
def uv_map(head: HeadArrays, size: int, materials: tuple[str, ...] = ("skin", "lips")) -> UvMap:
    """The texels of some materials (of all on a head that has none of these). Kept with the head."""
    face_id, bary, partner, uv_across = _drawn(head, size)
    material = np.where(face_id >= 0, head.face_material[face_id], -1)
    wanted = [k for k, name in enumerate(head.materials) if name in materials] or range(len(head.materials))
    texels = np.flatnonzero(np.isin(material, list(wanted)))
    faces = face_id.ravel()[texels]
    weights = bary.reshape(-1, 3)[texels]

    place = sum(uv_across[faces, k] * weights[:, k, None] for k in range(3))
    column = np.clip((place[:, 0] * size).astype(np.int64), 0, size - 1)
    row = np.clip(((1 - place[:, 1]) * size).astype(np.int64), 0, size - 1)
    mirror = row * size + column
    mirror[partner[faces] < 0] = size * size
    return UvMap(size, texels, head.faces[faces], weights, mirror, material)


@kept_with_head
def _drawn(head: HeadArrays, size: int) -> tuple[np.ndarray, ...]:
    """The atlas drawn once: face_id [size, size], bary [size, size, 3], and what `_across` gives."""
    from render.raster_numba import rasterize_numba

    clip = np.zeros((1, len(head.uv), 4), np.float32)
    clip[0, :, :2] = head.uv * 2.0 - 1
    clip[0, :, 3] = 1
    face_id, bary, _ = rasterize_numba(clip, np.ascontiguousarray(head.uv_faces, np.int32), (size, size))
    return (face_id[0], bary[0], *_across(head))


def _across(head: HeadArrays) -> tuple[np.ndarray, np.ndarray]:
    """For each triangle the one across the sagittal plane [F] (-1: none), and its mirrored corners' UV [F, 3, 2]."""
    count = len(head.v_template)
    mirrored = head.mirror[head.faces]

    def names(faces):
        a, b, c = np.sort(faces.astype(np.int64), 1).T
        return (a * count + b) * count + c

    own, wanted = names(head.faces), names(mirrored)
    order = np.argsort(own, kind="stable")
    found = order[np.clip(np.searchsorted(own[order], wanted), 0, len(own) - 1)]
    partner = np.where(own[found] == wanted, found, -1)
    corner = (mirrored[:, :, None] == head.faces[partner][:, None, :]).argmax(-1)
    uv = head.uv[head.uv_faces[partner][np.arange(len(partner))[:, None], corner]]
    return partner, uv
