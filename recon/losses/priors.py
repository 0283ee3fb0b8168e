"""What is likely before a picture is looked at: codes near their mean, within bounds, light without colour."""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import ShapeError


def code_prior(codes: Tensor, *, mean: Tensor | float = 0.0, sd: Tensor | float = 1.0) -> Tensor:
    """Half the squared distance from the mean, in SD, of codes [..., K]: summed over K, the mean over faces.

    Minus the logarithm of a normal density but for a constant. DECA's regularisers (it also sums over faces).
    """
    return 0.5 * ((codes - mean) / sd).square().sum(-1).mean()


def near(codes: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference from what another network says, which learns nothing: SMIRK's towards MICA's identity."""
    if codes.shape != other.shape:
        raise ShapeError(f"codes are {list(codes.shape)} and {list(other.shape)}; wanted the same")
    return (codes - other.detach()).square().mean()


def bound_prior(values: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Mean squared excess of values [..., K] over their bounds, in their unit squared."""
    low, high = (torch.as_tensor(bound).to(values) for bound in (low, high))
    return ((low - values).clamp(min=0) + (values - high).clamp(min=0)).square().mean()


def white_light(light: Tensor) -> Tensor:
    """Mean squared difference of light coefficients [..., 9, 3] from the mean of their colours (DECA)."""
    return (light - light.mean(-1, keepdim=True)).square().mean()
