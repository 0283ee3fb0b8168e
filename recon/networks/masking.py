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
PUBLISHED = 224  # pixels a side of the pictures whose pixels are meant below; others are measured in proportion
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
        corners = triangles.long()[self.faces].flatten(1)  # [B, 3 N]
        places = vertices[..., :2].gather(1, corners[..., None].expand(-1, -1, 2)).unflatten(1, (-1, 3))
        place = (places * self.barycentrics[..., None]).sum(-2)
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
    some = weights.nonzero()[:, 0].to(triangles.device)  # [n] of the triangles
    away = vertex_normals(vertices, triangles.long())[..., 2]  # [B, V]
    (xa, xb, xc), (ya, yb, yc), turned = (
        value[:, triangles[some].long()].unbind(-1) for value in (vertices[..., 0], vertices[..., 1], away)
    )
    area = ((xb - xa) * (yc - ya) - (yb - ya) * (xc - xa)).abs() / 2
    odds = weights.to(area)[some] * area * (sum(turned) < 3 * MAX_NORMAL_Z)
    if not (odds.sum(-1) > 0).all():
        raise ShapeError("a mesh shows none of the triangles that points may lie on; leave that image out")
    drawn = torch.multinomial(odds, count, replacement=True, generator=generator)
    u, v = torch.rand(2, *drawn.shape, generator=generator, device=generator.device).to(area)
    over = u + v > 1  # the other half of a square, turned over
    u, v = torch.where(over, 1 - u, u), torch.where(over, 1 - v, v)
    return Points(some[drawn], torch.stack([1 - u - v, u, v], -1))


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
    scale = images.shape[-1] / PUBLISHED
    face = _grown(hull, 2 * round(scale * DILATION) + 1)
    out = images * (1 - face) * (1 - silhouette)
    normal = torch.randn(kept.shape, generator=generator, device=generator.device).to(kept)
    kept = kept * (1 + noise * normal)
    square = 2 * round(scale * (DROP_SIZE // 2)) + 1
    middles = torch.rand(hull.shape, generator=generator, device=generator.device).to(kept)
    middles = middles < drop * (DROP_SIZE / square) ** 2  # as much of the picture, whatever its size
    kept = kept * (1 - _grown(middles.to(kept), square))
    return torch.where(kept > 0, kept, out).detach()


def _grown(mask: Tensor, size: int) -> Tensor:
    """Each pixel of [B, 1, H, W] as a square of `size` pixels, an odd number: the most over rows, then over columns."""
    rows = functional.max_pool2d(mask, (1, size), 1, (0, size // 2))
    return functional.max_pool2d(rows, (size, 1), 1, (size // 2, 0))
