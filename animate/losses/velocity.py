"""Motion that moves as the truth does: differences between neighbouring frames."""

from __future__ import annotations

from torch import Tensor

from animate.losses.masked import masked_mean


def velocity_loss(
    found: Tensor,  # [B, T, ...]
    wanted: Tensor,  # [B, T, ...] in the same unit
    mask: Tensor,  # [B, T] bool: frames that count
) -> Tensor:
    """Mean squared difference of the steps from frame to frame, in the unit squared; both frames must count."""
    step = (found[:, 1:] - found[:, :-1]) - (wanted[:, 1:] - wanted[:, :-1])
    return masked_mean(step.square().flatten(2).mean(-1), mask[:, 1:] & mask[:, :-1])
