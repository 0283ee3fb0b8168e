"""Pixels that look alike: a face in the light of nine spherical harmonics against the photo, where the mask says so.

DECA (Feng et al. 2021, section 4.1) takes the mean absolute difference over skin; the norm over a pixel's channels
(l2,1: Thies et al. 2016) forgives single pixels that no model explains.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import HeadArrays
from recon.losses.drawn import Drawing, Drawn
from recon.losses.weighted import lengths, weighted_mean
from render import interpolate, texture
from render.lighting import sh_light

MEASURES = ("absolute", "l21")


@dataclass(frozen=True)
class Shaded:
    """Pictures of B lit faces."""

    picture: Tensor  # [B, 3, H, W] linear in albedo and light, not clamped; 0 where no face is
    silhouette: Tensor  # [B, 1, H, W] 1 where it is


class ShadedFace:
    """A head's face with an albedo in SH light."""

    def __init__(self, arrays: HeadArrays, *, size: int = 224, region: str | None = "face"):
        self.drawing = Drawing(arrays, size=size, region=region)
        self.uv = torch.as_tensor(arrays.uv)  # [U, 2]
        self.uv_faces = torch.as_tensor(arrays.uv_faces).long()[self.drawing.kept]

    def __call__(
        self,
        vertices: Tensor,  # [B, V, 3] world, metres
        projected: Tensor,  # [B, V, 3] as `recon.networks.codes.projected` gives
        albedo: Tensor,  # at vertices [B or 1, V, 3], or a map [B or 1, 3, h, w] whose row 0 is v = 1
        light: Tensor,  # [B, 9, 3] as render.lighting.sh_light
    ) -> Shaded:
        """Differentiable in all of them."""
        drawn = self.drawing(vertices, projected)
        colour = self.coloured(drawn, albedo)
        return Shaded(drawn.finished(colour * sh_light(drawn.normals, light)), drawn.silhouette)

    def coloured(self, drawn: Drawn, albedo: Tensor) -> Tensor:
        """The albedo at the pixels of what `drawing` gave [B, H, W, 3], 0 where no face is."""
        if albedo.ndim == 3:
            colour = drawn.attribute(albedo)
        elif albedo.ndim == 4 and len(self.uv):
            places = interpolate(self.uv.to(albedo), self.uv_faces, drawn.raster)
            colour = texture(albedo.permute(0, 2, 3, 1), places)
        else:
            raise ShapeError(f"albedo is {list(albedo.shape)}, wanted [B, V, 3], or [B, 3, h, w] on a head with UV")
        return colour * (drawn.raster.face_id >= 0)[..., None]


def photometric_loss(
    found: Tensor,  # [B, 3, H, W]
    wanted: Tensor,  # [B, 3, H, W]
    mask: Tensor | None = None,  # broadcasts to [B, 1, H, W], in [0, 1]; None: all pixels
    *,
    measure: str = "absolute",
) -> Tensor:
    """Mean difference of a channel over pixels that count; with "l21" the mean length of a pixel's difference."""
    if found.shape != wanted.shape or found.ndim != 4:
        raise ShapeError(f"pictures are {list(found.shape)} and {list(wanted.shape)}; wanted [B, C, H, W] twice")
    if measure not in MEASURES:
        raise InputError(f"there is no photometric measure {measure!r}; choose {' or '.join(MEASURES)}")
    apart = found - wanted
    each = apart.abs().mean(1) if measure == "absolute" else lengths(apart.movedim(1, -1))
    return weighted_mean(each, None if mask is None else mask.squeeze(1))
