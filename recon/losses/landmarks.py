"""Landmarks where they were read: 68 of iBUG, 105 or 468 of MediaPipe, with weights, also by the head's pose."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import Embedding, HeadArrays
from recon.fitting.priors import landmark_trust
from recon.losses.weighted import weighted_mean

MOUTH = slice(48, 68)  # of the 68
_DECA = (
    ((5, 6, 10, 11), 2.0), (range(27, 36), 1.5), ((30, 31, 35), 3.0), (range(48, 68), 1.5), ((48, 54), 3.0),
)  # fmt: skip
MEASURES = ("absolute", "square")


def landmark_loss(
    found: Tensor,  # [..., L, 2] crop units
    wanted: Tensor,  # [..., L, 2]
    weights: Tensor | None = None,  # broadcasts to [..., L]; 0: not seen
    *,
    measure: str = "absolute",  # as DECA; "square" as SMIRK
) -> Tensor:
    """Mean difference of a coordinate, or of its square."""
    if found.shape != wanted.shape or found.shape[-1] != 2:
        raise ShapeError(f"landmarks are {list(found.shape)} and {list(wanted.shape)}; wanted [..., L, 2] twice")
    if measure not in MEASURES:
        raise InputError(f"there is no measure {measure!r} of landmarks; choose {' or '.join(MEASURES)}")
    apart = found - wanted
    each = (apart.abs() if measure == "absolute" else apart.square()).mean(-1)
    return weighted_mean(each, weights)


def form_loss(
    found: Tensor,  # [..., L, 2] crop units
    wanted: Tensor,  # [..., L, 2]
    weights: Tensor,  # broadcasts to [..., L]
) -> Tensor:
    """Mean squared difference of a coordinate where the best affine map lays `found` over `wanted`.

    Place, size and most of a turn drop out, whose errors drown those of the face while a network knows neither. The map
    is held still: where it is best a small change of it changes nothing.
    """
    if found.shape != wanted.shape or found.shape[-1] != 2:
        raise ShapeError(f"landmarks are {list(found.shape)} and {list(wanted.shape)}; wanted [..., L, 2] twice")
    full = torch.cat([found, torch.ones_like(found[..., :1])], -1)
    with torch.no_grad():
        heavy = (full * weights[..., None]).mT
        least = 1e-6 * torch.eye(3).to(full)  # landmarks on one line have many maps
        affine = torch.linalg.solve(heavy @ full + least, heavy @ wanted)
    return weighted_mean((full @ affine - wanted).square().mean(-1), weights)


def weights_68(*, mouth: bool = True) -> Tensor:
    """[68] DECA's weights: jaw 2, nose 1.5, its tip and wings 3, lips 1.5, their corners 3, the rest 1.

    Without `mouth` as SPECTRE, whose lips follow `distances` and a lip reader.
    """
    weights = torch.ones(68)
    for rows, value in _DECA:
        weights[list(rows)] = value
    if not mouth:
        weights[MOUTH] = 0
    return weights


def weights_468() -> Tensor:
    """[468] as the solver trusts MediaPipe's points (`fitting.priors`): lips and lids most, the nose's wings least."""
    return torch.as_tensor(landmark_trust(), dtype=torch.float32)


def of_mediapipe(
    values: Tensor,  # [..., 468 or 478, C] of all MediaPipe landmarks
    chosen: Embedding,  # such as HeadArrays.landmarks["105"]
) -> Tensor:  # [..., L, C]
    """Those of MediaPipe's landmarks that a set is made of, in its order."""
    if not len(chosen.index):
        raise InputError("these landmarks are a set of their own, not chosen from MediaPipe's: they have no numbers")
    if values.ndim < 2 or values.shape[-2] <= int(np.max(chosen.index)):
        raise ShapeError(f"landmarks are {list(values.shape)}, wanted [..., 468 or 478, C]")
    return values[..., torch.as_tensor(chosen.index, device=values.device).long(), :]


class PoseWeights(nn.Module):
    """Weights of a head's landmarks by whether they face the camera: the far cheek of a turned head was guessed.

    The direction from the head's axis tells, and not the normal, whose far wing of the nose is unseen too late.
    """

    def __init__(
        self,
        arrays: HeadArrays,
        name: str = "68",  # of the head's landmarks
        *,
        least: float = 0.0,  # weight of what faces away
        base: Tensor | None = None,  # [L] of a head that looks at the camera; None: 1
    ):
        super().__init__()
        if name not in arrays.landmarks:
            raise InputError(f"head {arrays.id!r} has no landmarks {name!r}; it has {sorted(arrays.landmarks)}")
        marks = arrays.landmarks[name]
        points = np.einsum("lk,lkc->lc", marks.barycentrics, arrays.v_template[arrays.faces[marks.faces]])
        joints = arrays.J_regressor[1:3] @ arrays.v_template  # neck, jaw
        outward = (points - (0, 0, joints[:, 2].mean())) * (1, 0, 1)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        self.least = least
        self.register_buffer("outward", torch.as_tensor(outward, dtype=torch.float32))  # [L, 3]
        self.register_buffer("base", torch.ones(len(outward)) if base is None else base.float())

    def forward(
        self,
        rotation: Tensor,  # [..., 3, 3] of the head in the camera's axes: y up, z towards the eye
    ) -> Tensor:  # [..., L], without gradients: a head must not turn away from a loss
        towards = (rotation.detach() @ self.outward.to(rotation).mT)[..., 2, :]
        facing = ((towards + 0.05) / 0.4).clamp(0, 1)
        return self.base.to(rotation) * (self.least + (1 - self.least) * facing)
