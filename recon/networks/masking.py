"""What SMIRK's generator sees of a photo (Retsinas et al. 2024, section 3.2): all but the face, and a few pixels of it.

Pixels are chosen on the mesh: triangles by their region, their area in the picture and whether they face the camera,
points in them at random. So the same points can be found again after the face has moved (`Points`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flame_tools.errors import ShapeError
from flame_tools.normals import vertex_normals
from flame_tools.regions import region_mask
from flame_tools.types import HeadArrays

SHARE = 0.01  # of an image's pixels
REGION_WEIGHTS = {  # FLAME's regions; what is in several takes the last
    "face": 1.0,
    "lips": 0.5,
    "nose": 0.5,
    "neck": 0.0,
    "left_ear": 0.0,
    "right_ear": 0.0,
    "left_eyeball": 0.0,
    "right_eyeball": 0.0,
}
MAX_NORMAL_Z = 0.05  # of triangles that are seen; z is away from the eye
DILATION = 10  # pixels
NOISE = 0.05  # standard deviation of the factor on kept pixels
DROP = 0.01  # share of pixels that are middles of dropped squares
DROP_SIZE = 11  # pixels a side


@dataclass(frozen=True)
class Points:
    """N points on each of B meshes."""

    faces: Tensor  # [B, N] triangles
    barycentrics: Tensor  # [B, N, 3]

    def pixels(self, vertices: Tensor, triangles: Tensor, size: int) -> Tensor:
        """Where they are: vertices [B, V, 3] as `codes.projected` gives -> whole x, y [B, N, 2] in the picture."""
        corners = _corners(vertices, triangles)
        chosen = corners.gather(1, self.faces[..., None, None].expand(-1, -1, 3, 3))
        place = (chosen[..., :2] * self.barycentrics[..., None]).sum(-2)
        return ((place + 1) * (size / 2)).long().clamp(0, size - 1)


def region_weights(arrays: HeadArrays) -> Tensor:
    """[F] how readily pixels are kept on each triangle. Raises InputError where the head lacks one of the regions."""
    weights = np.zeros(len(arrays.faces), np.float32)
    for name, weight in REGION_WEIGHTS.items():
        weights[region_mask(arrays, name)[arrays.faces].all(1)] = weight
    return torch.from_numpy(weights)


def sample_points(
    vertices: Tensor,  # [B, V, 3] as `codes.projected` gives
    triangles: Tensor,  # [F, 3]
    weights: Tensor,  # [F] as `region_weights` gives
    count: int,
    *,
    generator: torch.Generator,
) -> Points:
    """Points on what is seen of each mesh, drawn with replacement by weight x area in the picture."""
    normals = functional.normalize(vertex_normals(vertices, triangles.long()), dim=-1)
    facing = _corners(normals, triangles)[..., 2].mean(-1) < MAX_NORMAL_Z  # [B, F]
    a, b, c = _corners(vertices, triangles)[..., :2].unbind(-2)
    area = ((b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]).abs() / 2
    odds = weights.to(area) * area * facing
    if not (odds.sum(-1) > 0).all():
        raise ShapeError("a mesh shows none of the triangles that points may lie on; leave that image out")
    drawn = torch.multinomial(odds, count, replacement=True, generator=generator)
    u, v = torch.rand(2, *drawn.shape, generator=generator, device=generator.device).to(area)
    over = u + v > 1  # the other half of a square, turned over
    u, v = torch.where(over, 1 - u, u), torch.where(over, 1 - v, v)
    return Points(drawn, torch.stack([1 - u - v, u, v], -1))


def moved_pixels(images: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Images [B, C, H, W] in which only the pixels at `before` [B, N, 2] are left, at their places `after`."""
    out = torch.zeros_like(images)
    batch = torch.arange(len(images), device=images.device)[:, None]
    out[batch, :, after[..., 1], after[..., 0]] = images[batch, :, before[..., 1], before[..., 0]]
    return out


def masked(
    images: Tensor,  # [B, 3, H, W]
    kept: Tensor,  # [B, 3, H, W] as `moved_pixels` gives: nothing where zero
    hull: Tensor,  # [B, 1, H, W] 1 in the landmarks' convex hull
    silhouette: Tensor,  # [B, 1, H, W] 1 where the face is rendered
    *,
    generator: torch.Generator,
    noise: float = NOISE,
    drop: float = DROP,
) -> Tensor:  # [B, 3, H, W], without gradients
    """The photo without the face, and the kept pixels, a little brighter or darker, in it."""
    face = functional.max_pool2d(hull, 2 * DILATION + 1, 1, DILATION)
    out = images * (1 - face) * (1 - silhouette)
    normal = torch.randn(kept.shape, generator=generator, device=generator.device).to(kept)
    kept = kept * (1 + noise * normal)
    middles = torch.rand(hull.shape, generator=generator, device=generator.device).to(kept) < drop
    kept = kept * (1 - functional.max_pool2d(middles.to(kept), DROP_SIZE, 1, DROP_SIZE // 2))
    return torch.where(kept > 0, kept, out).detach()


def _corners(values: Tensor, triangles: Tensor) -> Tensor:
    """[B, V, C] -> [B, F, 3, C]."""
    return values[:, triangles.long()]
