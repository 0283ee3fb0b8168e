"""A small encoder that says what SMIRK's says: for trials and for training where there is only a CPU.

Half-size blocks of four pixels, strided convolutions, one hidden layer, and linear heads for pose and face. Normalised
within each picture: painted ones, which differ from photos, leave nothing behind in running means.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flame_tools.errors import ShapeError
from recon.networks.codes import FlameCodes
from recon.networks.smirk import JAW, LIDS, MAX_JAW_SIDE_RAD, START_SCALE

# What a change of 1 in an output is, so that one step of Adam neither spins a head nor throws it out of the picture.
_UNITS = (0.03, 0.03, 0.03, 0.3, 0.003, 0.003)  # radians; crop units a metre; metres
_FACE = 0.2


class SmallEncoder(nn.Module):
    def __init__(
        self,
        *,
        size: int,  # pixels a side of its pictures
        shapes: int,
        expressions: int,
        channels: tuple[int, ...] = (32, 64, 96, 128),
        width: int = 256,
    ):
        super().__init__()
        self.size, self.split = size, [shapes, expressions, LIDS, JAW]
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        before, side = 12, size // 2
        for after in channels:
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.GroupNorm(8, after), nn.ReLU()]
            before, side = after, -(-side // 2)
        self.look = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(before * side**2, width, bias=False), nn.LayerNorm(width), nn.ReLU()
        )
        self.pose, self.face = nn.Linear(width, 6), nn.Linear(width, sum(self.split))
        with torch.no_grad():
            for head in (self.pose, self.face):
                head.weight *= 0.1
                head.bias.zero_()
        self.register_buffer("start", torch.tensor([0.0, 0.0, 0.0, START_SCALE, 0.0, 0.0]))  # pose before training
        self.register_buffer("unit", torch.tensor(_UNITS), persistent=False)

    def forward(self, images: Tensor) -> FlameCodes:
        """Images [B, 3, size, size] RGB in [0, 1]. Codes as SMIRK's."""
        if images.ndim != 4 or images.shape[1:] != (3, self.size, self.size):
            raise ShapeError(f"images are {list(images.shape)}, wanted [B, 3, {self.size}, {self.size}] in [0, 1]")
        seen = self.look(images)
        pose = self.start + self.unit * self.pose(seen)
        shape, expression, lids, jaw = (_FACE * self.face(seen)).split(self.split, -1)
        return FlameCodes(
            shape=shape,
            expression=expression,
            global_rotation=pose[..., :3],
            jaw=torch.cat([jaw[..., :1].relu(), jaw[..., 1:].clamp(-MAX_JAW_SIDE_RAD, MAX_JAW_SIDE_RAD)], -1),
            camera=pose[..., 3:],
            eyelids=lids.clamp(0, 1),
        )
