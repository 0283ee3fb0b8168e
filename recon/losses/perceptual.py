"""Pictures that a network for photos finds alike (Johnson et al. 2016): mean absolute differences of VGG's maps.

SMIRK (Retsinas et al. 2024) adds up four maps of VGG-16, each before a pool. It shifts pixels of [0, 1] as if they
were of [-1, 1] before it standardises them; here they are standardised as ImageNet's were.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from flame_tools.errors import ShapeError
from recon.networks.vgg import Vgg

MAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


class PerceptualLoss(nn.Module):
    """Of pictures [B, 3, H, W] RGB in [0, 1]; `network` from `recon.losses.networks.load_vgg`."""

    def __init__(
        self,
        network: Vgg,
        *,
        maps: tuple[str, ...] = MAPS,
        size: int | None = 224,  # pixels a side that pictures are brought to; None: as they are
    ):
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.maps, self.size = maps, size

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:
        if found.shape != wanted.shape:
            raise ShapeError(f"pictures are {list(found.shape)} and {list(wanted.shape)}; wanted [B, 3, H, W] twice")
        with torch.no_grad():
            aim = self.network(self._sized(wanted), self.maps)
        seen = self.network(self._sized(found), self.maps)
        return sum((seen[name] - aim[name]).abs().mean() for name in self.maps)

    def _sized(self, images: Tensor) -> Tensor:
        if self.size is None or images.shape[-2:] == (self.size, self.size):
            return images
        return interpolate(images, (self.size, self.size), mode="bilinear", align_corners=False)
