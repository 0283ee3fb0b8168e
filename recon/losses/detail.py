"""Wrinkles: whose they are, and that they are small, smooth and alike on both sides where nobody looked.

Detail consistency (DECA: Feng et al. 2021, section 4.3): a person's detail code must do for their other pictures, so
codes are exchanged among pictures of one person and the detail losses taken again on what they make.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import ShapeError
from recon.losses.weighted import weighted_mean


def exchanged(
    codes: Tensor,  # [B, ...] one a picture
    people: Tensor,  # [B] integers: who is in it
    *,
    generator: torch.Generator,
) -> Tensor:  # [B, ...] of another picture of the same person, where there is one
    """Codes exchanged at random within each person; gradients go to the picture that a code came from."""
    if people.ndim != 1 or len(people) != len(codes) or people.is_floating_point():
        raise ShapeError(f"people are {people.dtype} {list(people.shape)}, wanted integers [{len(codes)}]")
    order = torch.arange(len(codes))
    for person in people.cpu().unique():
        rows = torch.nonzero(people.cpu() == person).flatten()
        mixed = rows[torch.randperm(len(rows), generator=generator)]
        order[mixed] = mixed.roll(1)  # a cycle: nobody keeps their own
    return codes[order.to(codes.device)]


def size_loss(heights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean height of maps [B, h, w], in metres, without its sign, over texels that count ([h, w] or [B, h, w])."""
    return weighted_mean(heights.abs(), mask)


def smoothness_loss(heights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared step from texel to texel, m^2, across and down, both texels counting."""
    total = heights.new_zeros(())
    for dim in (-1, -2):
        ahead, behind = heights.narrow(dim, 1, heights.shape[dim] - 1), heights.narrow(dim, 0, heights.shape[dim] - 1)
        both = None
        if mask is not None:
            both = mask.narrow(dim, 1, mask.shape[dim] - 1) * mask.narrow(dim, 0, mask.shape[dim] - 1)
        total = total + weighted_mean((ahead - behind).square(), both)
    return total


def symmetry_loss(
    heights: Tensor,  # [B, h, w] of a layout that is its own mirror image, as FLAME's and the default head's
    unseen: Tensor,  # [B, h, w] in [0, 1]: how little of a texel the picture shows
) -> Tensor:
    """Mean difference of unseen texels, without its sign, from those across, which are not moved; metres."""
    return weighted_mean((heights - heights.flip(-1).detach()).abs(), unseen)
