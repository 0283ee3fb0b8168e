"""DECA (Feng et al. 2021): a face from one image, and its wrinkles as a displacement map in UV.

E_flame says identity, albedo, expression, pose, camera and light; E_detail a detail code; D_detail makes a map of
heights along the normal from jaw, expression and detail code. Modules carry the published names. Light is shaded by
`render.lighting.sh_light`, heights by `render.uv.detail_normals` and `displace`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from flame_tools.errors import ShapeError
from recon.networks.codes import FlameCodes
from recon.networks.regressor import Regressor

SIZES = {"shape": 100, "albedo": 50, "expression": 50, "pose": 6, "camera": 3, "light": 27}  # in this order
OUTPUTS = sum(SIZES.values())  # 236
DETAIL = 128
CONDITION = 3 + SIZES["expression"]  # jaw, expression
MAX_HEIGHT_M = 0.01
_START = 8  # texels a side that the decoder begins with
_WIDTHS = (128, 128, 64, 64, 32, 16)
_EPSILON = 0.8  # of the published normalisations but the first: a momentum that was given in epsilon's place


def split(values: Tensor, sizes: dict[str, int]) -> dict[str, Tensor]:
    """Numbers [..., sum of sizes] by name."""
    if values.shape[-1] != sum(sizes.values()):
        raise ShapeError(f"{values.shape[-1]} numbers, wanted {sum(sizes.values())}: {sizes}")
    return dict(zip(sizes, values.split(list(sizes.values()), -1), strict=True))


def flame_codes(values: Tensor) -> FlameCodes:
    """E_flame's 236 numbers [..., 236] by name; its pose is the root, then the jaw."""
    part = split(values, SIZES)
    return FlameCodes(
        shape=part["shape"],
        expression=part["expression"],
        global_rotation=part["pose"][..., :3],
        jaw=part["pose"][..., 3:],
        camera=part["camera"],
        albedo=part["albedo"],
        light=part["light"].unflatten(-1, (9, 3)),
    )


class DetailDecoder(nn.Module):
    """Codes to heights: five bilinear doublings from 8 x 8, tanh, a hundredth of a metre."""

    def __init__(self, codes: int = CONDITION + DETAIL):
        super().__init__()
        self.l1 = nn.Sequential(nn.Linear(codes, _WIDTHS[0] * _START**2))
        layers: list[nn.Module] = [nn.BatchNorm2d(_WIDTHS[0])]
        for before, after in pairwise(_WIDTHS):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.Conv2d(before, after, 3, padding=1),
                nn.BatchNorm2d(after, _EPSILON),
                nn.LeakyReLU(0.2),
            ]
        self.conv_blocks = nn.Sequential(*layers, nn.Conv2d(_WIDTHS[-1], 1, 3, padding=1), nn.Tanh())

    def forward(self, codes: Tensor) -> Tensor:
        """[B, 181] jaw 3, expression 50, detail 128 -> heights [B, 256, 256] in metres along the normal.

        As published: row 0 of the map is v = 1 of FLAME's UV, and the authors add a fixed map and mask to it
        (fixed_displacement_256.npy, uv_face_eye_mask.png), which are theirs to give.
        """
        x = self.l1(codes).unflatten(-1, (_WIDTHS[0], _START, _START))
        return MAX_HEIGHT_M * self.conv_blocks(x)[:, 0]


class Deca(nn.Module):
    def __init__(self):
        super().__init__()
        self.E_flame, self.E_detail = Regressor(OUTPUTS), Regressor(DETAIL)
        self.D_detail = DetailDecoder()

    def forward(self, images: Tensor) -> FlameCodes:
        """Images [B, 3, 224, 224] RGB in [0, 1], cropped as `crop.MARGINS` says."""
        return flame_codes(self.E_flame(images))

    def heights(self, images: Tensor, codes: FlameCodes) -> Tensor:
        """[B, 256, 256] metres: wrinkles of the faces in `images` at the expression and jaw of `codes`."""
        return self.detail(self.E_detail(images), codes)

    def detail(self, detail: Tensor, codes: FlameCodes) -> Tensor:
        """The same from a detail code [B, 128], so that somebody's wrinkles can move with another expression."""
        return self.D_detail(torch.cat([codes.jaw, codes.expression, detail], -1))
