"""How far apart two pictures are in a network's eyes."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_similarity

from flame_tools.errors import InputError, ShapeError
from recon.losses.weighted import weighted_mean

MEASURES = ("cosine", "square")


def feature_loss(
    found: Tensor,  # [..., C]
    wanted: Tensor,  # [..., C]
    mask: Tensor | None = None,  # [...] what counts
    *,
    measure: str = "cosine",
) -> Tensor:
    """1 - cosine in [0, 2], or the mean square of a feature's difference."""
    if found.shape != wanted.shape:
        raise ShapeError(f"features are {list(found.shape)} and {list(wanted.shape)}; wanted the same [..., C]")
    if measure not in MEASURES:
        raise InputError(f"there is no measure {measure!r} of features; choose {' or '.join(MEASURES)}")
    cosine = measure == "cosine"
    each = 1 - cosine_similarity(found, wanted, dim=-1) if cosine else (found - wanted).square().mean(-1)
    return weighted_mean(each, mask)
