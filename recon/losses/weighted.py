"""Means over what counts."""

from __future__ import annotations

import torch
from torch import Tensor

from learning import processes


def weighted_mean(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of values [...] with weights that broadcast to them; 0 where nothing counts. Whatever has no weight is not
    looked at: NaN there does no harm.

    Where several processes share a batch, values count alike in all of it: the mean over them is the batch's mean.
    """
    if weights is None:
        return values.mean()
    weights = weights.to(values).expand_as(values)
    values = torch.where(weights > 0, values, 0)
    return (values * weights).sum() / processes.mean(weights.sum().detach()).clamp(min=1e-12)


def lengths(vectors: Tensor, *, least: float = 1e-12) -> Tensor:
    """Lengths [...] of vectors [..., n], with a gradient of zero and not of NaN at the zero vector."""
    squared = vectors.square().sum(-1)
    return torch.where(squared > least**2, squared.clamp(min=least**2).sqrt(), 0)
