"""EMOCA (Danecek, Black and Bolkart 2022): DECA with an encoder of its own for expression, and in some files the jaw.

Everything else is DECA's, detail included. Modules carry the published names.
"""

from __future__ import annotations

from torch import Tensor

from flame_tools.errors import InputError
from recon.networks.codes import FlameCodes
from recon.networks.deca import SIZES, Deca
from recon.networks.regressor import Regressor

EXPRESSION = SIZES["expression"]
JAW = 3


class Emoca(Deca):
    def __init__(self, *, jaw: bool = True):  # whether the expression's encoder says the jaw, too
        super().__init__()
        self.jaw = jaw
        self.E_expression = Regressor(EXPRESSION + JAW * jaw)

    def forward(self, images: Tensor) -> FlameCodes:
        """Images [B, 3, 224, 224] RGB in [0, 1], cropped as DECA's."""
        codes, own = super().forward(images), self.E_expression(images)
        jaw = own[..., EXPRESSION:] if self.jaw else codes.jaw
        return codes.replace(expression=own[..., :EXPRESSION], jaw=jaw)


def says_jaw(outputs: int) -> bool:
    """Whether an expression encoder of so many outputs says the jaw. Raises InputError where it is none of EMOCA's."""
    if outputs not in (EXPRESSION, EXPRESSION + JAW):
        raise InputError(
            f"an expression encoder of {outputs} outputs; EMOCA's have {EXPRESSION} or, with the jaw, "
            f"{EXPRESSION + JAW}; models that say the head's rotation there are not read"
        )
    return outputs > EXPRESSION
