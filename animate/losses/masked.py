"""Means over the frames that count."""

from torch import Tensor

from learning import processes


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values [B, T] where mask [B, T] is set, or weighted by it; 0 where it is nowhere.

    Where several processes share a batch, frames count alike in all of it: the mean over them is the batch's mean.
    """
    return (values * mask).sum() / processes.mean(mask.sum().to(values)).clamp(min=1 / processes.count())
