"""SMIRK's generator: a grey render of the face and what the mask leaves of the photo become the photo again.

A U-Net (Ronneberger et al. 2015) of four levels with five residual blocks at its bottom (as Johnson et al. 2016).
Modules carry the published names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flame_tools.errors import ShapeError

LEVELS = 4
CHANNELS = 6  # render, masked photo
_WIDTH = 32
_RESIDUALS = 5


class _Block(nn.Module):
    """Two 3 x 3 convolutions, normalised; `name` is part of the published names."""

    def __init__(self, before: int, after: int, name: str):
        super().__init__()
        self._name = name
        for i, width in enumerate((before, after), 1):
            self.add_module(f"{name}conv{i}", nn.Conv2d(width, after, 3, padding=1, bias=False))
            self.add_module(f"{name}norm{i}", nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        for i in (1, 2):
            conv, norm = getattr(self, f"{self._name}conv{i}"), getattr(self, f"{self._name}norm{i}")
            x = functional.relu(norm(conv(x)))
        return x


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()

        def half() -> list[nn.Module]:
            return [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False), nn.BatchNorm2d(width)]

        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *half())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class SmirkGenerator(nn.Module):
    def __init__(
        self,
        *,
        width: int = _WIDTH,
        residuals: int = _RESIDUALS,
        fold: int = 1,  # pixels a side of the blocks that are seen and painted as one: 2 takes half the time
    ):
        super().__init__()
        self.fold = fold
        before = CHANNELS * fold**2
        for level in range(1, LEVELS + 1):
            after = width << level - 1
            self.add_module(f"encoder{level}", _Block(before, after, f"enc{level}"))
            before = after
        self.bottleneck = _Block(before, 2 * before, "bottleneck")
        self.resnet_blocks = nn.ModuleList(Residual(2 * before) for _ in range(residuals))
        for level in range(LEVELS, 0, -1):
            after = width << level - 1
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * after, after, 2, 2))
            self.add_module(f"decoder{level}", _Block(2 * after, after, f"dec{level}"))
        self.conv = nn.Conv2d(width, 3 * fold**2, 1)

    def forward(self, render: Tensor, masked: Tensor) -> Tensor:
        """A grey render and a masked photo, [B, 3, H, W] in [0, 1] each, sides multiples of 16 -> a photo like them."""
        checked_pair(render, masked, self.fold)
        x, kept = functional.pixel_unshuffle(torch.cat([render, masked], 1), self.fold), []
        for level in range(1, LEVELS + 1):
            x = getattr(self, f"encoder{level}")(x)
            kept.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for block in self.resnet_blocks:
            x = block(x)
        for level in range(LEVELS, 0, -1):
            x = torch.cat([getattr(self, f"upconv{level}")(x), kept[level - 1]], 1)
            x = getattr(self, f"decoder{level}")(x)
        return functional.pixel_shuffle(self.conv(x).sigmoid(), self.fold)


def checked_pair(render: Tensor, masked: Tensor, fold: int = 1) -> None:
    """Raise ShapeError unless a generator can take the two together."""
    sides, least = render.shape[-2:], fold * 2**LEVELS
    if render.shape != masked.shape or render.ndim != 4 or render.shape[1] != 3 or any(s % least for s in sides):
        raise ShapeError(
            f"the render is {list(render.shape)}, the masked photo {list(masked.shape)}; wanted [B, 3, H, W] both, "
            f"sides multiples of {least}"
        )
