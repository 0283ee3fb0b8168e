"""recon-detail: what a photo shows of a face's relief, read texel by texel, in UV.

A U-Net over the sheet: its input at half the sheet's sides (four texels at a time), features down to a sixteenth,
heights back at full size. Beside the height it tells how far that may be off, and the height that stays when the
expression goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from assets.locate import asset_path
from flame_tools.errors import ShapeError
from flame_tools.weights import load_network, save_network
from readers.layers import conv3
from recon.detail.shown import CHANNELS

UNIT_MM = 0.1  # what an output of 1 is
_KIND, _VERSION = "emberface-recon-detail", 1


@dataclass(frozen=True)
class DetailConfig:
    """Sizes of a DetailNetwork."""

    head_id: str = ""
    """Of the head on whose sheet it reads."""
    channels: tuple[int, ...] = (16, 32, 64, 96)
    """Of features at a half, a quarter, an eighth and a sixteenth of the sheet's sides."""


@dataclass(frozen=True)
class Heights:
    """Of N sheets, [N, ROWS, COLUMNS], mm along the normal."""

    shown: Tensor  # with the expression of the picture
    logvar: Tensor  # of `shown`
    rest: Tensor  # without the expression


class DetailNetwork(nn.Module):
    """Channels [N, CHANNELS, ROWS, COLUMNS] as `shown.channels` gives -> Heights."""

    def __init__(self, config: DetailConfig = DetailConfig()):
        super().__init__()
        self.config = config
        first = config.channels[0]
        self.enter = nn.Sequential(nn.PixelUnshuffle(2), conv3(4 * CHANNELS, first), conv3(first, first))
        self.down = nn.ModuleList(nn.Sequential(conv3(a, b, 2), conv3(b, b)) for a, b in pairwise(config.channels))
        self.up = nn.ModuleList(conv3(a + b, a) for a, b in pairwise(config.channels))
        self.leave = nn.Sequential(conv3(first, first), nn.Conv2d(first, 12, 3, padding=1), nn.PixelShuffle(2))
        with torch.no_grad():
            self.leave[1].weight.mul_(0.1)
            self.leave[1].bias.zero_()

    def forward(self, channels: Tensor) -> Heights:
        if channels.ndim != 4 or channels.shape[1] != CHANNELS or any(n % 16 for n in channels.shape[2:]):
            raise ShapeError(f"channels are {list(channels.shape)}, wanted [N, {CHANNELS}, h, w] of sides by 16")
        kept = [self.enter(channels)]
        for down in self.down:
            kept.append(down(kept[-1]))
        x = kept.pop()
        for up in reversed(self.up):
            side = kept.pop()
            x = up(torch.cat([side, interpolate(x, side.shape[2:], mode="bilinear", align_corners=False)], 1))
        shown, logvar, rest = self.leave(x).unbind(1)
        return Heights(UNIT_MM * shown, logvar - 4, UNIT_MM * rest)


def save_detail(network: DetailNetwork, path: Path) -> None:
    """Half precision."""
    save_network(network, path, _KIND, _VERSION)


def load_detail(path: Path | None = None) -> DetailNetwork:
    """The network of a file, frozen; the bundled one where none is given. Raises FormatError for any other file."""
    path = asset_path("recon-detail") if path is None else path
    return load_network(DetailNetwork, DetailConfig, path, _KIND, _VERSION).requires_grad_(False)
