"""Layers that several small networks are made of."""

from __future__ import annotations

from torch import nn


def conv3(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution of `before` channels to `after`, normalised over batches, cut at 0."""
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
