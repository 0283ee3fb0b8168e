"""A lip reader: pictures of a mouth at 30 a second to what phone it says, and to features that losses compare.

A small convolutional network sees each picture (Chung & Zisserman 2016 did so on mouth crops); residual convolutions
over time see 0.2 s to each side. It reads drawn mouths, as `readers.stage` gives them; it was not taught real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from assets.locate import asset_path
from flame_tools.weights import load_network, save_network
from readers.look import Look, checked_pictures, standardised

_KIND, _VERSION = "emberface-mouth-reader", 1


@dataclass(frozen=True)
class MouthConfig:
    """Sizes of a MouthReader."""

    phones: tuple[str, ...]
    """Names of its classes."""
    size: int = 48
    """Pixels a side of its pictures."""
    channels: tuple[int, ...] = (24, 48, 96)
    """Of the convolutions that see a picture."""
    width: int = 128
    """Of the features."""
    reach: tuple[int, ...] = (1, 2, 3)
    """Frames to each side that each convolution over time sees."""


@dataclass(frozen=True)
class MouthReading:
    """What a reader says of pictures [B, T]."""

    log_probabilities: Tensor  # [B, T, len(phones)]
    features: Tensor  # [B, T, width]


class MouthReader(nn.Module):
    """Pictures [B, T, size, size] grey in [0, 1] at 30 a second -> MouthReading."""

    def __init__(self, config: MouthConfig):
        super().__init__()
        self.config = config
        self.look = Look(config.size, config.channels, config.width)
        self.listen = nn.ModuleList(_OverTime(config.width, reach) for reach in config.reach)
        self.norm = nn.LayerNorm(config.width)
        self.name = nn.Linear(config.width, len(config.phones))

    def forward(self, pictures: Tensor) -> MouthReading:
        batch, count = checked_pictures(pictures, self.config.size).shape[:2]
        x = self.look(standardised(pictures).flatten(0, 1)).unflatten(0, (batch, count))
        for layer in self.listen:
            x = x + layer(x)
        features = self.norm(x)
        return MouthReading(self.name(features).log_softmax(-1), features)


class _OverTime(nn.Module):
    def __init__(self, width: int, reach: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.taps = nn.Conv1d(width, width, 2 * reach + 1, padding=reach)
        self.act = nn.GELU()
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.act(self.taps(self.norm(x).mT).mT))


def save_mouth_reader(reader: MouthReader, path: Path) -> None:
    save_network(reader, path, _KIND, _VERSION)


def load_mouth_reader(path: Path | None = None) -> MouthReader:
    """The reader of a file, strictly; the bundled one where none is given."""
    path = asset_path("mouth_reader") if path is None else path
    return load_network(MouthReader, MouthConfig, path, _KIND, _VERSION)
