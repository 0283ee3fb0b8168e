"""TEASER (Liu et al. 2025): SMIRK's encoders, and tokens that say how a face looks at four scales.

A token's map is averaged to 1, 2, 4 or 8 pixels a side and goes through one linear layer of 256; the generator
(`teaser_generator`) paints from the tokens what SMIRK's is shown as pixels. Modules carry the published names.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from recon.networks.codes import FlameCodes
from recon.networks.mobilenet_v3 import MobileNetV3
from recon.networks.smirk import SmirkEncoder

TOKEN = 256
TOKENS = 4
_GRIDS = ((576, 1), (48, 2), (24, 4), (16, 8))  # channels of a map, pixels a side that it is averaged to; coarse first


@dataclass(frozen=True)
class TokenCodes:
    """What TEASER says of faces [B]."""

    codes: FlameCodes
    tokens: Tensor  # [4, B, 256] of 7, 14, 28 and 56 pixels a side


class TokenEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = MobileNetV3("small")
        heads = [nn.Linear(channels * grid**2, TOKEN) for channels, grid in _GRIDS]
        with torch.no_grad():
            for head in heads:
                head.weight *= 0.001
                head.bias *= 0.001
        self.token_layers = nn.ModuleList(nn.Sequential(head) for head in heads)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, 224, 224] -> tokens [4, B, 256]."""
        maps = self.encoder(images)[::-1]
        return torch.stack(
            [
                layer(functional.adaptive_avg_pool2d(found, grid).flatten(1))
                for layer, found, (_, grid) in zip(self.token_layers, maps, _GRIDS, strict=False)
            ]
        )


class TeaserEncoder(SmirkEncoder):
    def __init__(self):
        super().__init__()
        self.token_encoder = TokenEncoder()

    def read(self, images: Tensor) -> TokenCodes:
        """Images [B, 3, 224, 224] RGB in [0, 1], cropped as SMIRK's: codes as `forward`'s, and tokens."""
        return TokenCodes(self(images), self.token_encoder(images))
