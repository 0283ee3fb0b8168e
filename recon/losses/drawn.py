"""A posed face as a picture whose pixels feel the vertices: what photometric and neural losses compare with a photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from flame_tools.errors import ShapeError
from flame_tools.normals import vertex_normals
from flame_tools.regions import region_faces
from flame_tools.types import HeadArrays
from render import Raster, antialias, interpolate, rasterize

_DEPTH = 0.1  # crop units to clip space: a head lies within ten halves of its crop


@dataclass(frozen=True)
class Drawn:
    """Pictures of B faces. Zero where nothing is seen."""

    raster: Raster
    clip: Tensor  # [B, V, 4]
    faces: Tensor  # [F, 3] those that are drawn
    normals: Tensor  # [B, H, W, 3] unit, world

    @property
    def silhouette(self) -> Tensor:
        """[B, 1, H, W] 1 where a face is seen. Without gradients."""
        return (self.raster.face_id >= 0)[:, None].to(self.normals)

    def attribute(self, values: Tensor) -> Tensor:
        """Values at vertices [B or 1, V, C] at the pixels [B, H, W, C]."""
        return interpolate(values, self.faces, self.raster)

    def finished(self, image: Tensor) -> Tensor:
        """Colours [B, H, W, C] with blended outlines, as networks take pictures: [B, C, H, W]."""
        return antialias(image, self.raster, self.clip, self.faces).permute(0, 3, 1, 2)


class Drawing:
    """The part of a head that is drawn, and how large."""

    def __init__(self, arrays: HeadArrays, *, size: int = 224, region: str | None = "face"):  # None: the whole head
        kept = np.arange(len(arrays.faces)) if region is None else region_faces(arrays, region)
        self.all_faces = torch.as_tensor(np.asarray(arrays.faces)).long()  # [F, 3] normals are of the whole surface
        self.kept = torch.as_tensor(kept)  # [n] triangles
        self.faces = self.all_faces[self.kept]
        self.size = size

    def __call__(
        self,
        vertices: Tensor,  # [B, V, 3] world, metres
        projected: Tensor,  # [B, V, 3] as `recon.networks.codes.projected` gives
    ) -> Drawn:
        if vertices.ndim != 3 or vertices.shape != projected.shape or vertices.shape[-1] != 3:
            raise ShapeError(
                f"vertices are {list(vertices.shape)}, projected {list(projected.shape)}; wanted [B, V, 3] twice"
            )
        clip = clip_space(projected)
        raster = rasterize(clip, self.faces, (self.size, self.size))
        normals = interpolate(vertex_normals(vertices, self.all_faces), self.faces, raster)
        return Drawn(raster, clip, self.faces, normalize(normals, dim=-1))


def clip_space(projected: Tensor) -> Tensor:
    """Points [B, V, 3] in crop units, z away from the eye -> clip space [B, V, 4] of an orthographic camera."""
    x, y, z = projected.unbind(-1)
    return torch.stack([x, -y, _DEPTH * z, torch.ones_like(x)], -1)
