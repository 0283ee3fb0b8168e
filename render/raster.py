"""Which triangle does each pixel see, and what can be read off there? One function each for every backend.

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
from render.backends import DRAWING, chosen, drawing

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
    backend: str = "auto",  # see render.backends
    threads: int | None = None,  # of the numba backend; None: as many as torch uses
) -> Raster:
    """Find the face, and the place on it, that each pixel centre sees.

    `bary` and `depth` carry gradients to `verts_clip`, those of the face that is seen: outlines move in `antialias`.
    The result does not depend on threads, nor on the backend (pytorch3d differs on slivers). Faces with an edge of no
    length, or with a corner that is not finite, are not drawn; no face, no vertex and no image are fine.
    """
    clip, faces, size = _checked(verts_clip, faces, size)
    home = clip.device
    if home.type == "mps":  # has no float64: the CPU draws, gradients cross over
        clip = clip.cpu()
    backend = chosen(backend, clip.device, DRAWING)
    if backend == "numba":
        triangles = np.ascontiguousarray(faces.cpu().numpy(), np.int32)
        threads = torch.get_num_threads() if threads is None else threads
        if clip.requires_grad and torch.is_grad_enabled():
            from render.raster_grad import RasterizeNumba

            parts = RasterizeNumba.apply(clip, triangles, size, threads)
        else:
            from render.raster_numba import rasterize_numba

            arrays = rasterize_numba(clip.detach().contiguous().numpy(), triangles, size, threads=threads)
            parts = [torch.from_numpy(array) for array in arrays]
    else:
        from render.raster_torch import rasterize_torch

        parts = rasterize_torch(clip, faces.to(clip.device), size, draw=drawing(backend))
    return Raster(*(part.to(home) for part in parts))


def interpolate(
    attributes: Tensor,  # [B, V, C] or [V, C] float32 or float64
    faces: Tensor,  # [F, 3]; other faces over other attributes (UV) are fine as long as they count the same triangles
    raster: Raster,
    *,
    backend: str = "auto",  # "numba" (CPU) or "torch"
) -> Tensor:  # [B, H, W, C], zero where nothing is seen
    """Attributes of corners at every pixel. Differentiable in them and in `raster.bary`."""
    batch = raster.face_id.shape[0]
    if attributes.ndim not in (2, 3) or (attributes.ndim == 3 and attributes.shape[0] not in (1, batch)):
        raise ShapeError(f"attributes are {list(attributes.shape)}, wanted [V, C] or [{batch}, V, C]")
    faces = checked_faces(faces, attributes.shape[-2], "attributes have", attributes.device)
    if attributes.device != raster.face_id.device:
        raise ShapeError(f"attributes are on {attributes.device}, the raster on {raster.face_id.device}; move one")
    if len(faces) == 0:
        return attributes.new_zeros(*raster.face_id.shape, attributes.shape[-1])
    if len(attributes.shape) == 2:
        attributes = attributes[None]
    bary = raster.bary.to(attributes.dtype)
    if chosen(backend, attributes.device) != "numba":
        from render.interpolation import interpolate_torch

        return interpolate_torch(attributes, faces, raster.face_id, bary)
    from render.interpolation_numba import InterpolateNumba

    triangles = np.ascontiguousarray(faces.numpy(), np.int32)
    return InterpolateNumba.apply(attributes, triangles, raster.face_id, bary, torch.get_num_threads())


def _checked(clip, faces, size):
    clip = clip if isinstance(clip, Tensor) else torch.as_tensor(np.require(clip, None, "W"))
    if clip.ndim != 3 or clip.shape[-1] != 4 or clip.dtype not in (torch.float32, torch.float64):
        raise ShapeError(f"verts_clip is {clip.dtype} {list(clip.shape)}, wanted float32 or float64 [B, V, 4]")
    faces = checked_faces(faces, clip.shape[1], "verts_clip has")
    try:
        height, width = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        raise ShapeError(f"size is {size!r}, wanted (height, width) in whole pixels") from None
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ShapeError(f"size is {height} x {width}, wanted 1 to {MAX_SIDE} pixels a side")
    return clip, faces, (height, width)


def checked_faces(faces, vertices: int, whose: str, device=None) -> Tensor:
    """Faces as a tensor; refused where they are no [F, 3] whole numbers in [0, vertices)."""
    faces = faces if isinstance(faces, Tensor) else torch.as_tensor(np.require(faces, None, "W"))
    if faces.ndim != 2 or faces.shape[-1] != 3 or faces.dtype.is_floating_point or faces.dtype == torch.bool:
        raise ShapeError(f"faces are {faces.dtype} {list(faces.shape)}, wanted integers [F, 3]")
    if len(faces):
        low, high = int(faces.min()), int(faces.max())
        if low < 0 or high >= vertices:
            raise ShapeError(f"faces name vertices {low} to {high}, but {whose} {vertices}")
    return faces if device is None else faces.to(device)
