"""SMIRK (Retsinas et al. 2024): three MobileNetV3 encoders, one each for pose, identity and expression.

Minimal backbones padded as TensorFlow does; each encoder's last map, averaged, goes through one linear layer. Modules
carry the published names. Pixels are RGB in [0, 1] as they are, without ImageNet's mean.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from recon.networks.codes import FlameCodes
from recon.networks.mobilenet_v3 import MobileNetV3
from recon.networks.smirk_generator import SmirkGenerator

SHAPES = 300
EXPRESSIONS = 50
LIDS = 2
JAW = 3
MAX_JAW_SIDE_RAD = 0.2  # of the jaw's y and z
START_SCALE = 7.0  # of the camera, before training


class _Encoder(nn.Module):
    """A backbone and, under the published name, one linear layer."""

    def __init__(self, size: str, name: str, outputs: int, start: Callable[[nn.Linear], None]):
        super().__init__()
        self.encoder = MobileNetV3(size)
        head = nn.Linear(self.encoder.features, outputs)
        with torch.no_grad():
            start(head)
        self.add_module(name, nn.Sequential(head))
        self._head = name

    def forward(self, images: Tensor) -> Tensor:
        return getattr(self, self._head)(self.encoder.pooled(images))


def _pose_start(head: nn.Linear) -> None:
    head.weight *= 0.001
    head.bias *= 0.001
    head.weight[3] = 0
    head.bias[3] = START_SCALE


def _scaled(factor: float) -> Callable[[nn.Linear], None]:
    def start(head: nn.Linear) -> None:
        head.weight *= factor
        head.bias *= factor

    return start


class SmirkEncoder(nn.Module):
    """Images to FLAME's parameters, eyelids among them."""

    def __init__(self, *, shapes: int = SHAPES, expressions: int = EXPRESSIONS):
        super().__init__()
        self.expressions = expressions
        self.pose_encoder = _Encoder("small", "pose_cam_layers", 6, _pose_start)
        self.shape_encoder = _Encoder("large", "shape_layers", shapes, _scaled(0.0))
        outputs = expressions + LIDS + JAW
        self.expression_encoder = _Encoder("large", "expression_layers", outputs, _scaled(0.1))

    def forward(self, images: Tensor) -> FlameCodes:
        """Images [B, 3, 224, 224] RGB in [0, 1], cropped as `crop.MARGINS` says."""
        pose, face = self.pose_encoder(images), self.expression_encoder(images)
        expression, lids, jaw = face.split([self.expressions, LIDS, JAW], -1)
        return FlameCodes(
            shape=self.shape_encoder(images),
            expression=expression,
            global_rotation=pose[..., :3],
            jaw=torch.cat([jaw[..., :1].relu(), jaw[..., 1:].clamp(-MAX_JAW_SIDE_RAD, MAX_JAW_SIDE_RAD)], -1),
            camera=pose[..., 3:],
            eyelids=lids.clamp(0, 1),
        )


class Smirk(nn.Module):
    """A SMIRK file's networks: the encoder, and the generator where the file has one."""

    def __init__(self, *, shapes: int = SHAPES, expressions: int = EXPRESSIONS, generator: bool = True):
        super().__init__()
        self.smirk_encoder = SmirkEncoder(shapes=shapes, expressions=expressions)
        self.smirk_generator = SmirkGenerator() if generator else None

    def forward(self, images: Tensor) -> FlameCodes:
        return self.smirk_encoder(images)
