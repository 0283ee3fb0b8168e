"""The rasterizer's faces by pytorch3d's kernels, where it is installed (coarse-to-fine on CUDA).

It computes in float32, leaves out triangles of less than 1e-8 of its square units and lifts the depth of small ones
by a share of 1e-8 over their area, so slivers, and what lies closely behind small triangles, may differ from the
definition. Faces are cut at our near plane first; gradients are ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from render.raster_torch import screen_triangles


def draw_pytorch3d(
    clip: Tensor,  # [B, V, 4] float64
    faces: Tensor,  # [F, 3] int64
    size: tuple[int, int],  # height, width
) -> tuple[Tensor, Tensor]:  # depth [B, H, W] float64, face_id [B, H, W] int32
    """What `raster_torch.draw_torch` gives, but for slivers."""
    from pytorch3d import _C

    height, width = size
    depth = torch.full((len(clip), *size), torch.inf, dtype=torch.float64, device=clip.device)
    face_id = torch.full((len(clip), *size), -1, dtype=torch.int32, device=clip.device)
    drawn = [screen_triangles(image, faces, size) for image in clip]
    if not sum(len(parts[2]) for parts in drawn):
        return depth, face_id
    corners, area, names = (torch.cat([parts[k] for parts in drawn]) for k in range(3))
    count = torch.tensor([len(parts[2]) for parts in drawn], device=clip.device)
    # its x points left, y up; the shorter side spans [-1, 1]; z spans [0, 1] for the least lift, and a hair more
    short = min(size)
    low, high = corners[..., 2].aminmax()
    z = (corners[..., 2] - low) / (high - low).clamp(min=1e-12) + 1e-3
    units = torch.stack([(width - 2 * corners[..., 0]) / short, (height - 2 * corners[..., 1]) / short, z], -1)
    bins = int(2 ** max(math.ceil(math.log2(max(size))) - 4, 3)) if clip.is_cuda else 0
    seen = _C.rasterize_meshes(
        units.float().contiguous(), count.cumsum(0) - count, count, torch.full_like(names, -1), (height, width),
        0.0, 1, bins, max(10_000, len(names) // 5), False, False, False,
    )[0][..., 0]  # fmt: skip
    image, y, x = torch.where(seen >= 0)
    triangle = seen[image, y, x]
    face_id[image, y, x] = names[triangle].int()
    a, b, c = corners[triangle].unbind(1)
    px, py = x.double() + 0.5, y.double() + 0.5
    near = 0.0
    for p, q, corner in ((b, c, a), (c, a, b), (a, b, c)):
        edge = (p[:, 1] - q[:, 1]) * px + (q[:, 0] - p[:, 0]) * py + (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])
        near = near + edge * corner[:, 2] / area[triangle]
    depth[image, y, x] = near
    return depth, face_id
