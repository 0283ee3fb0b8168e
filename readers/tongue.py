"""How far the tongue is out of the mouth: no landmark lies on it, so a small network looks at the mouth.

It sees what lies round the lips of a reader's crop, by half as much again as a wide open mouth, and says how sure it is
that a tongue is out and how far. Taught on made people (docs/train_recon.md); white teeth, of which those show few,
speak against it, and so do lips that are not apart: full red ones look like a tongue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from assets.locate import asset_path
from flame_tools.errors import InputError, ShapeError
from flame_tools.smooth import smooth_step
from flame_tools.weights import load_network, save_network
from readers.landmarks import roi_of_landmarks
from readers.layers import conv3
from readers.sampling import Square, sample_square
from readers.teeth import teeth_together

LIPS = (61, 291, 0, 17, 13, 14)  # corners, outer and inner middles, whose mean is the mouth's middle
SIDE, BELOW = 0.41, 0.046  # of the window, and how far its middle lies below the lips', in sides of the reader's crop
SURE = (0.55, 0.8)  # the chance at which a tongue begins to count, and from which on it counts in full
APART = (0.12, 0.17)  # of the mouth's width: between which gaps of the lips a tongue begins to fit, and fits
AGAINST = 1.5  # logarithm of odds: how much white teeth speak against a tongue
_KIND, _VERSION = "emberface-tongue-reader", 1


@dataclass(frozen=True)
class TongueConfig:
    """Sizes of a TongueReader."""

    size: int = 48
    """Pixels a side of its pictures."""
    channels: tuple[int, ...] = (32, 48, 96)
    """Of the convolutions at half, a quarter and an eighth of the side."""
    width: int = 128
    """Of the layer that sees all places."""

    def __post_init__(self):
        if len(self.channels) != 3 or self.size % 8:
            raise InputError(
                f"mouths of {self.size} pixels and channels {tuple(self.channels)}; wanted three channels, and a size "
                "that can be halved three times"
            )


@dataclass(frozen=True)
class TongueReading:
    """Of N mouths."""

    logit: Tensor  # [N] of the chance that a tongue is out
    out: Tensor  # [N] tongueOut


class TongueReader(nn.Module):
    """Pictures [N, 3, size, size] sRGB in [0, 1] of mouths -> TongueReading."""

    def __init__(self, config: TongueConfig = TongueConfig()):
        super().__init__()
        self.config = config
        a, b, c = config.channels
        self.layers = nn.Sequential(conv3(12, a), conv3(a, b, 2), conv3(b, b), conv3(b, c, 2), conv3(c, c))
        self.whole = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(c * (config.size // 8) ** 2, config.width, bias=False),
            nn.BatchNorm1d(config.width), nn.ReLU(),
        )  # fmt: skip
        self.leave = nn.Linear(config.width, 2)

    def forward(self, pictures: Tensor) -> TongueReading:
        size = self.config.size
        if pictures.ndim != 4 or pictures.shape[1:] != (3, size, size):
            raise ShapeError(f"mouths are {list(pictures.shape)}, wanted [N, 3, {size}, {size}] sRGB in [0, 1]")
        found = self.leave(self.whole(self.layers(pixel_unshuffle(_standardised(pictures), 2))))
        return TongueReading(found[:, 0], found[:, 1])


def _standardised(pictures: Tensor) -> Tensor:
    """Without the light and the contrast of each picture."""
    mean = pictures.mean((1, 2, 3), keepdim=True)
    return (pictures - mean) / (pictures.std((1, 2, 3), keepdim=True) + 0.02)


def tongue_out(image: np.ndarray, landmarks: np.ndarray, together: float) -> float:
    """tongueOut, in [0, 1], of the face with landmarks [468, 2] in image uint8 [H, W, 3]; 0 where none is seen.

    `together`: how surely the teeth are (readers.teeth).
    """
    reader = bundled_tongue_reader()
    picture = sample_square(image, window(landmarks), reader.config.size)
    with torch.inference_mode():
        found = reader(torch.from_numpy(picture).permute(2, 0, 1)[None])
    chance = float(torch.sigmoid(found.logit - AGAINST * together))
    fits = smooth_step(np.array(lips_apart(landmarks)), *APART)
    return float(np.clip(float(found.out), 0, 1) * smooth_step(np.array(chance), *SURE) * fits)


def teeth_and_tongue(image: np.ndarray, landmarks: np.ndarray) -> tuple[float, float]:
    """How surely an open mouth's teeth are together, and how far the tongue is out, both in [0, 1]; never both."""
    together = teeth_together(image, landmarks)
    tongue = tongue_out(image, landmarks, together)
    return together * max(1 - 2 * tongue, 0.0), tongue


def lips_apart(landmarks: np.ndarray) -> float:
    """The gap between the inner lips over the distance of the mouth's corners, for landmarks [468, 2]."""
    right, left, _, _, upper, lower = landmarks[list(LIPS)]
    return float(np.linalg.norm(upper - lower) / max(np.linalg.norm(left - right), 1e-6))


def window(landmarks: np.ndarray) -> Square:
    """What the reader sees of a face."""
    roi = roi_of_landmarks(landmarks)
    x, y = roi.to_image(roi.from_image(landmarks[list(LIPS)]).mean(0) + np.array([0, BELOW]))
    return Square(float(x), float(y), roi.size * SIDE, roi.angle)


@lru_cache(maxsize=1)
def bundled_tongue_reader() -> TongueReader:
    return load_tongue_reader(asset_path("tongue_reader")).eval()


def save_tongue_reader(reader: TongueReader, path: Path) -> None:
    save_network(reader, path, _KIND, _VERSION)


def load_tongue_reader(path: Path) -> TongueReader:
    return load_network(TongueReader, TongueConfig, path, _KIND, _VERSION)
