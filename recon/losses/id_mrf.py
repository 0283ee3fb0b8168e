"""Detail that has the photo's texture wherever it may lie: implicit diversified Markov random fields.

Wang et al. 2018, "Image inpainting via generative multi-column convolutional neural networks", as DECA takes it for
wrinkles: every patch of the photo's maps is to be the nearest of some patch of the render's. The measure relates each
similarity to the best that a patch has, so that one average patch cannot please all. As in DECA, the mean over the
channels of the photo's map is first taken out of both, place by place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from flame_tools.errors import ShapeError
from recon.networks.vgg import Vgg

MAPS = {"relu3_2": 1.0, "relu4_2": 2.0}  # of VGG-19: the second counts as style and as content
_STRETCH = 0.5  # h
_EPSILON = 1e-5


def id_mrf(
    found: Tensor,  # [B, C, h, w] maps
    wanted: Tensor,  # [B, C, h, w]
) -> Tensor:  # [B] in nats, 0 where each patch of `wanted` is found once
    """Minus the logarithm of how well the best patch found fits each wanted one, relative to its other fits."""
    if found.shape != wanted.shape or found.ndim != 4:
        raise ShapeError(f"maps are {list(found.shape)} and {list(wanted.shape)}; wanted [B, C, h, w] twice")
    mean = wanted.mean(1, keepdim=True)
    one, other = (normalize((maps - mean).flatten(2), dim=1, eps=1e-8) for maps in (found, wanted))  # [B, C, n]
    apart = ((1 - other.mT @ one) / 2).clamp(min=0)  # [B, wanted, found] in [0, 1]
    relative = apart / (apart.amin(1, keepdim=True) + _EPSILON)
    share = ((1 - relative) / _STRETCH).softmax(1)  # of each found patch among the wanted ones
    return -share.amax(2).mean(1).log()


class IdMrfLoss(nn.Module):
    """Of pictures [B, 3, H, W] RGB in [0, 1]; `network` VGG-19 from `recon.losses.networks.load_vgg`."""

    def __init__(self, network: Vgg, *, maps: dict[str, float] | None = None):
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.maps = MAPS if maps is None else maps

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:
        """The mean over pictures (DECA takes the sum). Mask both alike before."""
        with torch.no_grad():
            aim = self.network(wanted, tuple(self.maps))
        seen = self.network(found, tuple(self.maps))
        return sum(weight * id_mrf(seen[name], aim[name]).mean() for name, weight in self.maps.items())
