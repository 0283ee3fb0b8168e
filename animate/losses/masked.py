"""Means over the frames that count."""

from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values [B, T] where mask [B, T] is set; 0 where it is nowhere."""
    return (values * mask).sum() / mask.sum().clamp(min=1)
