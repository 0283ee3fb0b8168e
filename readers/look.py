"""The part that the readers share: a small convolutional network from one grey picture to numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from flame_tools.errors import ShapeError


class Look(nn.Module):
    """Grey pictures [N, size, size] to [N, out]: half-size blocks of four pixels, then strided convolutions."""

    def __init__(self, size: int, channels: tuple[int, ...], out: int):
        super().__init__()
        self.size = size
        layers, before, side = [], 4, size // 2
        for after in channels:
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            before, side = after, -(-side // 2)
        self.layers = nn.Sequential(*layers)
        self.leave = nn.Linear(before * side * side, out)

    def forward(self, pictures: Tensor) -> Tensor:
        x = pixel_unshuffle(pictures[:, None], 2)
        return self.leave(self.layers(x).flatten(1))


def standardised(pictures: Tensor) -> Tensor:
    """Pictures [B, T, H, W] with the mean and the contrast of each sequence taken out: cameras differ in both."""
    mean = pictures.mean((1, 2, 3), keepdim=True)
    spread = pictures.var((1, 2, 3), keepdim=True, correction=0)
    return (pictures - mean) * torch.rsqrt(spread + 1e-3)


def checked_pictures(pictures: Tensor, size: int) -> Tensor:
    """Refuse what is no sequence of pictures [B, T, size, size]."""
    if pictures.ndim != 4 or pictures.shape[2:] != (size, size):
        raise ShapeError(
            f"pictures are {list(pictures.shape)}, wanted [B, T, {size}, {size}] grey in [0, 1], as Stage draws them"
        )
    return pictures
