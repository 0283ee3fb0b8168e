"""Light on surfaces, in torch, with gradients: spherical harmonics, directional and point lights.

Normals and lights share one frame (the world's); light is linear. What falls on a surface is returned, [..., 3] or
[..., 1]: multiply it by an albedo.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from flame_tools.errors import ShapeError

# DECA's lamps and skin, which SMIRK renders its grey faces with (Feng et al. 2021, Retsinas et al. 2024)
GREY_LIGHTS = ((-1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (-1.0, -1.0, 1.0), (1.0, -1.0, 1.0), (0.0, 0.0, 1.0))
GREY_INTENSITY = 1.7
GREY_ALBEDO = 180 / 255


def sh_basis(
    normals: Tensor,  # [..., 3] unit
) -> Tensor:  # [..., 9]
    """The first nine spherical harmonics, convolved with the clamped cosine, in DECA's order and scale.

    1, x, y, z, xy, xz, yz, x^2 - y^2, 3 z^2 - 1. Eq. 12 and 13, Ramamoorthi and Hanrahan 2001, but for the first
    constant, which DECA leaves unconvolved.
    """
    _check_normals(normals)
    x, y, z = normals.unbind(-1)
    one = torch.ones_like(x)
    linear = 2 * math.pi / 3 * math.sqrt(3 / (4 * math.pi))
    quadratic = math.pi / 4 * math.sqrt(5 / (12 * math.pi))
    scale = [1 / math.sqrt(4 * math.pi), *[linear] * 3, *[3 * quadratic] * 3, 1.5 * quadratic]
    scale.append(math.pi / 4 * 0.5 * math.sqrt(5 / (4 * math.pi)))
    values = torch.stack([one, x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)
    return values * values.new_tensor(scale)


def sh_light(
    normals: Tensor,  # [B, ..., 3] unit
    coefficients: Tensor,  # [B, 9, C] or [9, C]
) -> Tensor:  # [B, ..., C]
    """Light of nine bands. An even light of strength s has coefficients[0] = s sqrt(4 pi)."""
    if coefficients.ndim not in (2, 3) or coefficients.shape[-2] != 9:
        raise ShapeError(f"light coefficients are {list(coefficients.shape)}, wanted [9, C] or [B, 9, C]")
    basis = sh_basis(normals)
    if coefficients.ndim == 3:
        if len(coefficients) not in (1, len(basis)):
            raise ShapeError(f"{len(coefficients)} lights for {len(basis)} images; wanted one, or one each")
        coefficients = coefficients.reshape(len(coefficients), *(1,) * (basis.ndim - 3), *coefficients.shape[1:])
    return basis @ coefficients


def directional_light(
    normals: Tensor,  # [..., 3] unit
    directions: Tensor,  # [L, 3] towards the lights, of any length
    intensities: Tensor,  # [L, C]
) -> Tensor:  # [..., C]
    """The sum of what far lights give to a matte surface."""
    _check_normals(normals)
    if directions.ndim != 2 or directions.shape[1] != 3 or intensities.ndim != 2 or len(intensities) != len(directions):
        raise ShapeError(
            f"directions are {list(directions.shape)} and intensities {list(intensities.shape)}, wanted [L, 3], [L, C]"
        )
    return (normals @ normalize(directions, dim=-1).T).clamp(min=0) @ intensities


def point_light(
    normals: Tensor,  # [..., 3] unit
    points: Tensor,  # [..., 3] where they stand, metres
    places: Tensor,  # [L, 3] of the lights, metres
    intensities: Tensor,  # [L, C] as they arrive at full_m, or at any distance
    *,
    full_m: float | None = None,  # None: distance takes nothing away, as in DECA
) -> Tensor:  # [..., C]
    """The sum of what near lights give to a matte surface."""
    _check_normals(normals)
    if points.shape != normals.shape or places.ndim != 2 or places.shape[1] != 3 or len(intensities) != len(places):
        raise ShapeError(
            f"points are {list(points.shape)} for normals {list(normals.shape)}, places {list(places.shape)}, "
            f"intensities {list(intensities.shape)}; wanted [..., 3] twice, [L, 3], [L, C]"
        )
    away = places - points[..., None, :]
    falling = (normals[..., None, :] * normalize(away, dim=-1)).sum(-1).clamp(min=0)
    if full_m is not None:
        falling = falling * full_m**2 / (away**2).sum(-1).clamp(min=1e-12)
    return falling @ intensities


def grey_face(
    normals: Tensor,  # [..., 3] as interpolated, world (+z out of the face); zero where nothing is seen
) -> Tensor:  # [..., 1] in [0, 1]
    """SMIRK's grey render, the input of its generator: five white lights from the front, averaged, on grey 180."""
    lights = normals.new_tensor(GREY_LIGHTS)
    even = normals.new_full((len(lights), 1), GREY_INTENSITY / len(lights))
    return GREY_ALBEDO * directional_light(normals, lights, even)


def _check_normals(normals):
    if normals.ndim < 1 or normals.shape[-1] != 3:
        raise ShapeError(f"normals are {list(normals.shape)}, wanted [..., 3]")
