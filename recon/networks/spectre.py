"""SPECTRE (Filntisis et al. 2023): DECA, and what its expression and jaw lack, read from five frames at a time.

MobileNetV2's features of each frame, one convolution over time, one linear layer: 50 expressions and a jaw that are
added to DECA's. Modules carry the published names; the file brings ImageNet's classifier along.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flame_tools.errors import ShapeError
from recon.networks.codes import FlameCodes
from recon.networks.deca import OUTPUTS, SIZES, flame_codes
from recon.networks.mobilenet_v2 import FEATURES, MobileNetV2
from recon.networks.regressor import Regressor

EXPRESSION = SIZES["expression"]
KERNEL = 5  # frames
_WIDTH = 256


class TemporalResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = MobileNetV2()
        convolution = nn.Conv1d(FEATURES, _WIDTH, KERNEL, padding=KERNEL // 2)
        self.temporal = nn.Sequential(convolution, nn.BatchNorm1d(_WIDTH), nn.ReLU())
        self.layers = nn.Sequential(nn.Linear(_WIDTH, EXPRESSION + 3))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, T, 3, H, W] -> expression [B, T, 50] and jaw [B, T, 3] to be added; the jaw's x is not negative.

        Beyond the first and last frame features are zero, as published; the authors repeat end frames before.
        """
        features = self.encoder.pooled(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        values = self.layers(self.temporal(features.mT).mT)
        expression, jaw = values[..., :EXPRESSION], values[..., EXPRESSION:]
        return expression, torch.cat([jaw[..., :1].relu(), jaw[..., 1:]], -1)


class Spectre(nn.Module):
    def __init__(self):
        super().__init__()
        self.E_flame = Regressor(OUTPUTS)
        self.E_expression = TemporalResidual()

    def forward(self, frames: Tensor) -> FlameCodes:
        """Frames [B, T, 3, 224, 224] of films, RGB in [0, 1], cropped as `crop.MARGINS` says -> codes [B, T, ...]."""
        if frames.ndim != 5 or not frames.shape[1]:
            raise ShapeError(f"frames are {list(frames.shape)}, wanted [B, T, 3, H, W] with at least one frame")
        codes = flame_codes(self.E_flame(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]))
        expression, jaw = self.E_expression(frames)
        return codes.replace(expression=codes.expression + expression, jaw=codes.jaw + jaw)
