"""An emotion reader: pictures of a talking face to what it feels, and to features that losses compare.

A small convolutional network sees each picture; means and spreads over time make it one answer a sequence, so that
what is said passes and what stays counts. It reads drawn faces, as `readers.stage` gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from assets.locate import asset_path
from flame_tools.weights import load_network, save_network
from readers.look import Look, checked_pictures, standardised

_KIND, _VERSION = "emberface-emotion-reader", 1


@dataclass(frozen=True)
class EmotionConfig:
    """Sizes of an EmotionReader."""

    emotions: tuple[str, ...]
    """Names of its classes; the first is the absence of the others."""
    size: int = 64
    """Pixels a side of its pictures."""
    channels: tuple[int, ...] = (24, 48, 96, 96)
    """Of the convolutions that see a picture."""
    width: int = 128
    """Of the features."""


@dataclass(frozen=True)
class EmotionReading:
    """What a reader says of sequences [B]."""

    features: Tensor  # [B, width]
    logits: Tensor  # [B, len(emotions)]: which emotion leads
    intensities: Tensor  # [B, len(emotions)] in [0, 1]: how much of each; mixes have several


class EmotionReader(nn.Module):
    """Pictures [B, T, size, size] grey in [0, 1], any T at any rate -> EmotionReading."""

    def __init__(self, config: EmotionConfig):
        super().__init__()
        self.config = config
        self.look = Look(config.size, config.channels, config.width)
        self.act = nn.GELU()
        self.digest = nn.Sequential(nn.Linear(2 * config.width, config.width), nn.LayerNorm(config.width))
        self.lead = nn.Linear(config.width, len(config.emotions))
        self.amount = nn.Linear(config.width, len(config.emotions))

    def forward(self, pictures: Tensor) -> EmotionReading:
        batch, count = checked_pictures(pictures, self.config.size).shape[:2]
        x = self.act(self.look(standardised(pictures).flatten(0, 1))).unflatten(0, (batch, count))
        spread = x.var(1, correction=0).add(1e-5).sqrt()
        features = self.digest(torch.cat([x.mean(1), spread], -1))
        return EmotionReading(features, self.lead(features), self.amount(features).sigmoid())


def save_emotion_reader(reader: EmotionReader, path: Path) -> None:
    save_network(reader, path, _KIND, _VERSION)


def load_emotion_reader(path: Path | None = None) -> EmotionReader:
    """The reader of a file, strictly; the bundled one where none is given."""
    path = asset_path("emotion_reader") if path is None else path
    return load_network(EmotionReader, EmotionConfig, path, _KIND, _VERSION)
