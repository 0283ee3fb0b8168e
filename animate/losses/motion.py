"""How far motion is from the true one: skin, rows, steps and lips, each by its own measure and weight."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from animate.losses.contact import contact_loss, lip_gaps
from animate.losses.masked import masked_mean
from animate.losses.velocity import velocity_loss
from animate.losses.vertices import SparseFace, vertex_loss
from animate.motion import Scale


class Weights(Protocol):
    """What counts how much beside the vertices' mm^2."""

    motion: float
    velocity: float
    contact: float


def motion_losses(
    found: Tensor,  # [B, T, D]
    wanted: Tensor,  # [B, T, D]
    mask: Tensor,  # [B, T] bool
    face: SparseFace,
    scale: Scale,  # to deviations
    weights: Weights,
    *,
    shown: Tensor | None = None,  # face(wanted), where it is known
) -> dict[str, Tensor]:
    """Parts of a loss, weighted."""
    seen, shown = face(found), face(wanted) if shown is None else shown
    error = (scale(found) - scale(wanted)).square().mean(-1)
    gaps = lip_gaps(seen, face.pairs), lip_gaps(shown, face.pairs)
    return {
        "vertices": vertex_loss(seen, shown, face.weights, mask),
        "motion": weights.motion * masked_mean(error, mask),
        "velocity": weights.velocity * velocity_loss(seen, shown, mask),
        "contact": weights.contact * contact_loss(*gaps, mask),
    }
