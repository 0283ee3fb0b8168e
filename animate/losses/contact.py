"""Lips that meet where the truth's do: gaps between the inner lips, the more heeded the smaller they are to be."""

from __future__ import annotations

import torch
from torch import Tensor

from animate.losses.masked import masked_mean

_NEAR_MM = 1.5  # gap at which a frame counts 1 / e of a closed one


def lip_gaps(vertices: Tensor, pairs: Tensor) -> Tensor:
    """Signed vertical distance [..., P] upper minus lower of inner-lip pairs [P, 2], in the unit of [..., n, 3]."""
    return vertices[..., pairs[:, 0], 1] - vertices[..., pairs[:, 1], 1]


def contact_loss(
    found: Tensor,  # [B, T, P] mm
    wanted: Tensor,  # [B, T, P] mm
    mask: Tensor,  # [B, T] bool
) -> Tensor:
    """Squared difference of gaps in mm^2, weighted by exp(-gap / 1.5 mm) of the truth: closures count most."""
    near = torch.exp(-wanted.clamp(min=0) / _NEAR_MM)
    return masked_mean((near * (found - wanted).square()).mean(-1), mask)
