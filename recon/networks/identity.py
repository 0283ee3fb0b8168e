"""A small network that tells people apart: an aligned face to a direction, near for one person, far for two.

Half-size blocks of four pixels, residual blocks of stride two, and a depthwise convolution over all that is left, so
that each place of the face has a weight of its own (Chen et al. 2018, MobileFaceNets).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import normalize, pixel_unshuffle

from assets.locate import asset_path
from flame_tools.errors import InputError, ShapeError
from flame_tools.weights import load_network, save_network

_KIND, _VERSION = "emberface-identity", 1


@dataclass(frozen=True)
class IdentityConfig:
    """Sizes of an IdentityNetwork."""

    size: int = 64
    """Pixels a side of its faces."""
    channels: tuple[int, ...] = (32, 48, 80, 128)
    """Of the first convolution, and of the blocks, each at half the side of the one before."""
    width: int = 128
    """Numbers of an embedding."""

    def __post_init__(self):
        if len(self.channels) < 2 or self.size % 2 ** len(self.channels):
            raise InputError(
                f"faces of {self.size} pixels and channels {tuple(self.channels)}: wanted two or more, and a size that "
                "can be halved as often as there are channels"
            )


class IdentityNetwork(nn.Module):
    """Faces [B, 3, size, size] RGB in [0, 1], aligned by five points as ArcFace's -> [B, width] of length 1."""

    def __init__(self, config: IdentityConfig = IdentityConfig()):
        super().__init__()
        self.config = config
        first, *later = config.channels
        self.enter = nn.Sequential(nn.Conv2d(12, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first))
        self.blocks = nn.Sequential(
            *(_Block(before, after) for before, after in zip(config.channels, later, strict=False))
        )
        last, side = later[-1], config.size // 2 ** len(config.channels)
        self.gather = nn.Sequential(nn.Conv2d(last, last, side, groups=last, bias=False), nn.BatchNorm2d(last))
        self.leave = nn.Linear(last, config.width, bias=False)

    def forward(self, faces: Tensor) -> Tensor:
        size = self.config.size
        if faces.ndim != 4 or faces.shape[1:] != (3, size, size):
            raise ShapeError(f"faces are {list(faces.shape)}, wanted [B, 3, {size}, {size}] RGB in [0, 1]")
        x = self.enter(pixel_unshuffle(2 * faces - 1, 2))
        return normalize(self.leave(self.gather(self.blocks(x)).flatten(1)), dim=-1)


class _Block(nn.Module):
    def __init__(self, before: int, after: int):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.PReLU(after)
        )
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        self.act = nn.PReLU(after)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.act(x + self.second(x))


def save_identity(network: IdentityNetwork, path: Path) -> None:
    """Half precision."""
    save_network(network, path, _KIND, _VERSION)


def load_identity(path: Path | None = None) -> IdentityNetwork:
    """The network of a file, strictly, frozen; the bundled one where none is given. Raises FormatError for others."""
    path = asset_path("identity") if path is None else path
    return load_network(IdentityNetwork, IdentityConfig, path, _KIND, _VERSION).requires_grad_(False)
