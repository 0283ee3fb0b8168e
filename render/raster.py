"""Which triangle does each pixel see? One function for every backend, and what can be read off its result.

Clip space is OpenGL's (y up, in front of the near plane where z >= -w); row 0 is the top, pixel centres lie at +0.5.
Faces are seen from both sides. The near plane cuts; the far plane does not.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import ShapeError

MAX_SIDE = 1 << 15


@dataclass(frozen=True)
class Raster:
    """What each pixel centre sees."""

    face_id: Tensor  # [B, H, W] int32, -1 where nothing is seen
    bary: Tensor  # [B, H, W, 3] perspective-correct weights of the face's corners, zero where nothing is seen
    depth: Tensor  # [B, H, W] ndc z in [-1, 1] between near and far plane, +inf where nothing is seen


def rasterize(
    verts_clip,  # [B, V, 4] float32 or float64 clip space (Tensor or array), see render.camera.to_clip
    faces,  # [F, 3] integers (Tensor or array)
    size: tuple[int, int],  # height, width in pixels
    *,
    backend: str = "auto",  # "numba" (CPU), "torch" (any device); auto: numba on the CPU, torch elsewhere
    threads: int | None = None,  # of the numba backend; None: every core
) -> Raster:
    """Find the face, and the place on it, that each pixel centre sees.

    The result does not depend on backend or threads. Faces with an edge of no length, or with a corner that is not
    finite, are not drawn; no face, no vertex and no image are fine. Not differentiable yet: `interpolate` carries
    gradients to attributes, not to `verts_clip`.
    """
    clip, faces, size = _checked(verts_clip, faces, size)
    if backend == "auto":
        backend = "numba" if clip.device.type == "cpu" else "torch"
    if backend == "torch":
        from render.raster_torch import rasterize_torch

        return Raster(*rasterize_torch(clip.detach(), faces.to(clip.device), size))
    if backend != "numba":
        raise ShapeError(f"backend {backend!r} is unknown; wanted 'auto', 'numba' or 'torch'")
    if clip.device.type != "cpu":
        raise ShapeError(f"backend 'numba' draws on the CPU, but verts_clip is on {clip.device}; use backend='torch'")
    from render.raster_numba import rasterize_numba
    from render.threads import default_threads

    arrays = rasterize_numba(
        clip.detach().contiguous().numpy(),
        np.ascontiguousarray(faces.cpu().numpy(), np.int32),
        size,
        threads=default_threads() if threads is None else threads,
    )
    return Raster(*(torch.from_numpy(array) for array in arrays))


def interpolate(
    attributes: Tensor,  # [B, V, C] or [V, C]
    faces: Tensor,  # [F, 3]; other faces over other attributes (UV) are fine as long as they count the same triangles
    raster: Raster,
) -> Tensor:  # [B, H, W, C], zero where nothing is seen
    """Attributes of corners at every pixel. Differentiable in them (and in `raster.bary` where it has gradients)."""
    faces = torch.as_tensor(faces, device=attributes.device).long()
    batch = raster.face_id.shape[0]
    if attributes.ndim not in (2, 3) or (attributes.ndim == 3 and attributes.shape[0] not in (1, batch)):
        raise ShapeError(f"attributes are {list(attributes.shape)}, wanted [V, C] or [{batch}, V, C]")
    shape = (*raster.face_id.shape, attributes.shape[-1])
    if len(faces) == 0 or attributes.shape[-2] == 0:
        return attributes.new_zeros(shape)
    attributes = attributes.expand(batch, *attributes.shape[-2:])
    corners = faces[raster.face_id.clamp(min=0).long()]  # [B, H, W, 3]
    image = torch.arange(batch, device=attributes.device).reshape(-1, 1, 1, 1)
    return (attributes[image, corners] * raster.bary.to(attributes.dtype)[..., None]).sum(-2)


def _checked(clip, faces, size):
    clip, faces = (torch.as_tensor(a if isinstance(a, Tensor) else np.require(a, None, "W")) for a in (clip, faces))
    if clip.ndim != 3 or clip.shape[-1] != 4 or clip.dtype not in (torch.float32, torch.float64):
        raise ShapeError(f"verts_clip is {clip.dtype} {list(clip.shape)}, wanted float32 or float64 [B, V, 4]")
    if faces.ndim != 2 or faces.shape[-1] != 3 or faces.dtype.is_floating_point or faces.dtype == torch.bool:
        raise ShapeError(f"faces are {faces.dtype} {list(faces.shape)}, wanted integers [F, 3]")
    if len(faces):
        low, high = int(faces.min()), int(faces.max())
        if low < 0 or high >= clip.shape[1]:
            raise ShapeError(f"faces name vertices {low} to {high}, but verts_clip has {clip.shape[1]}")
    try:
        height, width = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        raise ShapeError(f"size is {size!r}, wanted (height, width) in whole pixels") from None
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ShapeError(f"size is {height} x {width}, wanted 1 to {MAX_SIDE} pixels a side")
    return clip, faces, (height, width)
