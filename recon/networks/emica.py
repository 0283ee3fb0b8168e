"""EMICA (INFERNO; Danecek et al. 2023): identity by MICA, pose, camera and light as DECA, expression as EMOCA.

Published variants differ in which encoder says the jaw; none has details. Modules are named here as the parts they
are: `recon.networks.checkpoints` finds them under the longer names of the files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flame_tools.errors import InputError
from recon.networks.codes import FlameCodes
from recon.networks.deca import split
from recon.networks.mica import SIZE, Mica
from recon.networks.regressor import Regressor

EXPRESSION = 100
_COARSE = {"albedo": 50, "jaw": 3, "global_rotation": 3, "camera": 3, "light": 27}  # in this order
JAWS = ("expression", "coarse", "none")  # who says the jaw


def _sizes(jaw: str) -> tuple[dict[str, int], dict[str, int]]:
    coarse = {name: size for name, size in _COARSE.items() if name != "jaw" or jaw == "coarse"}
    return coarse, {"expression": EXPRESSION} | ({"jaw": 3} if jaw == "expression" else {})


class Emica(nn.Module):
    def __init__(self, *, jaw: str = "expression"):
        super().__init__()
        if jaw not in JAWS:
            raise InputError(f"the jaw is said by {jaw!r}; wanted one of {JAWS}")
        self.coarse_sizes, self.expression_sizes = _sizes(jaw)
        self.mica = Mica()
        self.coarse = Regressor(sum(self.coarse_sizes.values()))
        self.expression = Regressor(sum(self.expression_sizes.values()))

    def forward(self, images: Tensor, aligned: Tensor | None = None) -> FlameCodes:
        """Images [B, 3, 224, 224] RGB in [0, 1], cropped as DECA's; `aligned` as `mica.Mica` takes them.

        Without aligned faces the crops themselves are made small, as the authors do where landmarks are not valid.
        """
        if aligned is None:
            aligned = 2 * functional.interpolate(images, (SIZE, SIZE), mode="bilinear", align_corners=False) - 1
        part = split(self.coarse(images), self.coarse_sizes) | split(self.expression(images), self.expression_sizes)
        return FlameCodes(
            shape=self.mica(aligned),
            expression=part["expression"],
            global_rotation=part["global_rotation"],
            jaw=part.get("jaw", torch.zeros_like(part["camera"])),
            camera=part["camera"],
            albedo=part["albedo"],
            light=part["light"].unflatten(-1, (9, 3)),
        )


def who_says_jaw(coarse: int, expression: int) -> str:
    """By the outputs of the two encoders. Raises InputError where they are not EMICA's."""
    for jaw in JAWS:
        if (coarse, expression) == tuple(sum(sizes.values()) for sizes in _sizes(jaw)):
            return jaw
    raise InputError(
        f"encoders of {coarse} and {expression} outputs; EMICA's have 83 and 103, 86 and 100 (the jaw in the first), "
        "or 83 and 100 (a FLAME without jaw rotation)"
    )
