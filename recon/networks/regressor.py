"""ResNet-50, one hidden layer and one linear head: the encoder that DECA, EMOCA and EMICA share.

Modules carry the published names: `encoder` and `layers.0`, `layers.2` (2048 -> 1024 -> outputs).
"""

from __future__ import annotations

from torch import Tensor, nn

from recon.networks.resnet import FEATURES, ResNet50

HIDDEN = 1024


class Regressor(nn.Module):
    def __init__(self, outputs: int):
        super().__init__()
        self.encoder = ResNet50()
        self.layers = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, 224, 224] RGB in [0, 1] -> [B, outputs]."""
        return self.layers(self.encoder(images))
