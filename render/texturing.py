"""Textures read at pixels: bilinear, with mip levels where a pixel spans many texels.

Texel centres lie at +0.5; row 0 of a texture is v = 1 (uv is v up). Beyond its border a texture goes on as it ends.
This file holds the verbs and their definitions in torch; the CPU twins are in `texturing_numba`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from flame_tools.errors import ShapeError
from render.backends import chosen
from render.raster import Raster, checked_faces


def texture(
    image: Tensor,  # [B or 1, h, w, C] float32 or float64
    uv: Tensor,  # [B, H, W, 2] as interpolated, in [0, 1]
    *,
    level: Tensor | None = None,  # [B, H, W] mip level (0: as it is), as `mip_level` gives; None: no mips
    backend: str = "auto",  # "numba" (CPU) or "torch"
) -> Tensor:  # [B, H, W, C]
    """Colours of a texture at uv. Differentiable in the texture, in uv and in level."""
    if image.ndim != 4 or image.dtype not in (torch.float32, torch.float64) or 0 in image.shape[1:3]:
        raise ShapeError(f"texture is {image.dtype} {list(image.shape)}, wanted float32 or float64 [B, h, w, C]")
    if uv.ndim != 4 or uv.shape[-1] != 2 or len(image) not in (1, len(uv)):
        raise ShapeError(f"uv is {list(uv.shape)} for {len(image)} textures, wanted [{len(image)}, H, W, 2]")
    if level is not None and level.shape != uv.shape[:3]:
        raise ShapeError(f"level is {list(level.shape)}, wanted {list(uv.shape[:3])} as uv has")
    uv, level = uv.to(image.dtype), None if level is None else level.to(image.dtype)
    if chosen(backend, image.device) == "numba" and image.numel() and uv.numel():
        from render.texturing_numba import TextureNumba

        return TextureNumba.apply(image, uv, level, torch.get_num_threads())
    return texture_torch(image.permute(0, 3, 1, 2).expand(len(uv), -1, -1, -1), uv, level)


def texture_torch(
    image: Tensor,  # [B, C, h, w]
    uv: Tensor,  # [B, H, W, 2]
    level: Tensor | None,  # [B, H, W]
) -> Tensor:  # [B, H, W, C]
    """The definition."""
    place = torch.stack([uv[..., 0] * 2 - 1, 1 - uv[..., 1] * 2], -1)
    if level is None:
        return _bilinear(image, place)
    levels = pyramid(image)
    level = level.clamp(0, len(levels) - 1)
    total = 0
    for k, smaller in enumerate(levels):
        share = (1 - (level - k).abs()).clamp(min=0)  # trilinear: two neighbours share each pixel
        total = total + share[..., None] * _bilinear(smaller, place)
    return total


def pyramid(image: Tensor) -> list[Tensor]:
    """[B, C, h, w] and its halves, means of 2 x 2 texels, as far as both sides are even."""
    levels = [image]
    while levels[-1].shape[-1] % 2 == 0 and levels[-1].shape[-2] % 2 == 0 and len(image):
        levels.append(avg_pool2d(levels[-1], 2))
    return levels


@torch.no_grad()
def mip_level(
    verts_clip: Tensor,  # [B, V, 4] as rasterized
    faces: Tensor,  # [F, 3]
    uv: Tensor,  # [U, 2]
    uv_faces: Tensor,  # [F, 3] into uv
    raster: Raster,
    texture_size: tuple[int, int],  # rows, columns of texels
    *,
    backend: str = "auto",  # "numba" (CPU) or "torch"
) -> Tensor:  # [B, H, W] of verts_clip's dtype; 0 where nothing is seen. No gradients
    """The level at which a pixel spans one texel, from uv's derivatives along rows and columns of pixels."""
    faces = checked_faces(faces, verts_clip.shape[1], "verts_clip has", verts_clip.device)
    uv_faces = checked_faces(uv_faces, len(uv), "uv has", verts_clip.device)
    if len(faces) != len(uv_faces):
        raise ShapeError(f"{len(uv_faces)} uv_faces for {len(faces)} faces; wanted one for each")
    texels = uv.detach().double().cpu() * torch.tensor([texture_size[1], texture_size[0]])
    if chosen(backend, verts_clip.device) == "numba":
        from render.texturing_numba import mip_level_numba

        triangles = [np.ascontiguousarray(f.numpy(), np.int32) for f in (faces, uv_faces)]
        clip, ids = verts_clip.contiguous().numpy(), raster.face_id.contiguous().numpy()
        level = mip_level_numba(clip, triangles[0], texels.numpy(), triangles[1], ids, torch.get_num_threads())
        return torch.from_numpy(level)
    return mip_level_torch(verts_clip, faces.long(), texels, uv_faces.long(), raster)


def mip_level_torch(
    clip: Tensor,  # [B, V, 4]
    faces: Tensor,  # [F, 3]
    uv: Tensor,  # [U, 2] in texels
    uv_faces: Tensor,  # [F, 3]
    raster: Raster,
) -> Tensor:  # [B, H, W]
    """The definition."""
    height, width = raster.face_id.shape[1:]
    image, y, x = torch.where(raster.face_id >= 0)
    seen = raster.face_id[image, y, x].long()
    wide = torch.float32 if clip.device.type == "mps" else torch.float64
    corners = clip[image[:, None], faces[seen]].to(wide)  # [n, 3, 4]
    texels = uv.to(corners)[uv_faces[seen]]
    pixel = torch.stack([2 * (x.to(wide) + 0.5) / width - 1, 1 - 2 * (y.to(wide) + 0.5) / height], -1)
    q = corners[..., :2] - pixel[:, None] * corners[..., 3:]
    # barycentrics are W / sum W with W the cross products of q; q moves by -w a unit of ndc
    following, last = q[:, [1, 2, 0]], q[:, [2, 0, 1]]
    w, v = corners[:, [1, 2, 0], 3], corners[:, [2, 0, 1], 3]
    weights = following[..., 0] * last[..., 1] - following[..., 1] * last[..., 0]
    total = weights.sum(1, keepdim=True)
    across = v * following[..., 1] - w * last[..., 1]
    down = w * last[..., 0] - v * following[..., 0]
    spans = []
    for moved, pixels in ((across, width), (down, height)):
        change = moved - weights * (moved.sum(1, keepdim=True) / total)
        spans.append((change[..., None] * texels).sum(1).norm(dim=-1) / total[:, 0].abs() * 2 / pixels)
    level = torch.maximum(*spans).log2().clamp(min=0)
    level = torch.where(level < torch.inf, level, 0)  # a sliver that cannot be told
    result = clip.new_zeros(raster.face_id.shape)
    return result.index_put((image, y, x), level.to(result.dtype))


def _bilinear(image, place):
    """[B, C, h, w] at place [B, H, W, 2] in [-1, 1] -> [B, H, W, C]."""
    if 0 in image.shape or 0 in place.shape:
        return image.new_zeros(*place.shape[:3], image.shape[1])
    picture = grid_sample(image, place, mode="bilinear", padding_mode="border", align_corners=False)
    return picture.permute(0, 2, 3, 1)
