"""What attention adds for distance in the published systems: ALiBi (Press et al. 2022), in steps of a period.

FaceFormer (Fan et al. 2022, Eq. 8) counts distance in whole periods and hides the future; EMOTE and its motion prior
(Danecek et al. 2023) let the future count like the past.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import InputError


def slopes(heads: int) -> Tensor:
    """[heads] 2^(-8 / heads), its square, ...: Press et al. 2022 for a power of two."""
    if heads & (heads - 1):
        raise InputError(f"{heads} heads; wanted a power of two, as the published models have")
    return 2.0 ** (-8.0 / heads * torch.arange(1, heads + 1, dtype=torch.float32))


def symmetric(heads: int, frames: int, *, period: int = 1) -> Tensor:
    """[heads, frames, frames] -slope * floor(|i - j| / period)."""
    distance = _distance(frames).abs() // period
    return -slopes(heads)[:, None, None] * distance


def causal(heads: int, frames: int, *, period: int) -> Tensor:
    """[heads, frames, frames] the same for j <= i, and -inf for the future."""
    distance = _distance(frames)
    bias = -slopes(heads)[:, None, None] * (distance.clamp(min=0) // period)
    return bias.masked_fill(distance < 0, float("-inf"))


def _distance(frames: int) -> Tensor:
    at = torch.arange(frames)
    return at[:, None] - at[None, :]
