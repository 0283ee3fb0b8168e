"""The lip reader of Ma, Petridis and Pantic, "Visual speech recognition for multiple languages in the wild", 2022.

A convolution over space and time, a ResNet-18 a frame, a conformer, and a head for connectionist temporal
classification over characters. SPECTRE's and EMOTE's lip-reading losses compare the ResNet's features. Modules carry
the published checkpoints' names.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from flame_tools.errors import InputError, ShapeError
from readers.published.conformer import POSITIONS, Conformer

SIZE = 88  # pixels a side of a mouth
_MEAN, _SD = 0.421, 0.165  # of grey levels in [0, 1], as published
FEATURES = 512  # of the ResNet
ACTIVATIONS = {"swish": nn.SiLU, "relu": nn.ReLU, "prelu": nn.PReLU}


@dataclass(frozen=True)
class LipsConfig:
    """Sizes, and what its weights do not show."""

    tokens: int = 41
    """Characters of the head, with the blank and the end."""
    width: int = 256
    """Channels of the conformer."""
    heads: int = 4
    """Attention heads."""
    inner: int = 2048
    """Width of the feed-forward parts."""
    blocks: int = 12
    """Conformer blocks."""
    kernel: int = 31
    """Frames under the conformer's convolution."""
    activation: str = "swish"
    """Of the ResNet: swish, relu or prelu (model.json: relu_type)."""
    positions: str = "latest"
    """How attention counts: latest or legacy (model.json: rel_pos_type)."""

    def __post_init__(self):
        if self.activation not in ACTIVATIONS or self.positions not in POSITIONS:
            raise InputError(
                f"activation {self.activation!r} and positions {self.positions!r}; wanted one of "
                f"{', '.join(ACTIVATIONS)} and one of {', '.join(POSITIONS)}"
            )


@dataclass(frozen=True)
class LipsReading:
    """What it says of mouths [B, T]."""

    appearance: Tensor  # [B, T, 512] the ResNet's features, which lip-reading losses compare
    features: Tensor  # [B, T, width] the conformer's
    log_probabilities: Tensor  # [B, T, tokens] of characters, the blank first


class _Step(nn.Module):
    def __init__(self, before: int, after: int, stride: int, activation: str):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu1, self.relu2 = (_activation(activation, after) for _ in range(2))
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        own = x if self.downsample is None else self.downsample(x)
        return self.relu2(own + self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))))


class _Trunk(nn.Module):
    def __init__(self, activation: str):
        super().__init__()
        before = 64
        for i, after in enumerate((64, 128, 256, 512), 1):
            stride = 1 if i == 1 else 2
            steps = (_Step(before, after, stride, activation), _Step(after, after, 1, activation))
            self.add_module(f"layer{i}", nn.Sequential(*steps))
            before = after

    def forward(self, x: Tensor) -> Tensor:
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((-2, -1))


class _Front(nn.Module):
    def __init__(self, activation: str):
        super().__init__()
        self.frontend3D = nn.Sequential(
            nn.Conv3d(1, 64, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False),
            nn.BatchNorm3d(64),
            nn.SiLU(),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
        self.trunk = _Trunk(activation)

    def forward(self, mouths: Tensor) -> Tensor:
        """Standardised mouths [B, T, H, W] -> [B, T, 512]."""
        x = self.frontend3D(mouths[:, None]).transpose(1, 2)
        return self.trunk(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class _Encoder(Conformer):
    def __init__(self, config: LipsConfig):
        super().__init__(
            FEATURES, config.width, config.heads, config.inner, config.blocks, config.kernel, config.positions
        )
        self.frontend = _Front(config.activation)


class _Head(nn.Module):
    def __init__(self, config: LipsConfig):
        super().__init__()
        self.ctc_lo = nn.Linear(config.width, config.tokens)


class LipReader(nn.Module):
    def __init__(self, config: LipsConfig = LipsConfig()):
        super().__init__()
        self.config = config
        self.encoder = _Encoder(config)
        self.ctc = _Head(config)

    def appearance(self, mouths: Tensor) -> Tensor:
        """Mouths [B, T, 88, 88], grey in [0, 1], 25 a second -> [B, T, 512], what lip-reading losses compare."""
        if mouths.ndim != 4 or mouths.shape[2:] != (SIZE, SIZE):
            raise ShapeError(f"mouths are {list(mouths.shape)}, wanted [B, T, {SIZE}, {SIZE}] grey in [0, 1]")
        return self.encoder.frontend((mouths - _MEAN) / _SD)

    def forward(self, mouths: Tensor) -> LipsReading:
        appearance = self.appearance(mouths)
        features = self.encoder.encoded(appearance)
        return LipsReading(appearance, features, self.ctc.ctc_lo(features).log_softmax(-1))


def _activation(name: str, channels: int) -> nn.Module:
    return nn.PReLU(channels) if name == "prelu" else ACTIVATIONS[name]()
