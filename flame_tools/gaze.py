"""Eyes that look at a point: both converge on it, whatever the head does."""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import ShapeError
from flame_tools.head import Head
from flame_tools.types import JOINTS, FaceParams

_EYES = slice(JOINTS.index("left_eye"), JOINTS.index("right_eye") + 1)
_NECK = JOINTS.index("neck")


def look_at(
    head: Head,
    params: FaceParams,  # the eyes in it do not matter
    target: Tensor,  # [..., 3] metres, in the world
    *,
    within_limits: bool = False,  # stop where the head's ARKit look shapes end (`look_rad`)
) -> Tensor:  # [..., 2, 3] axis-angle of the left and the right eye, radians
    """Eye rotations that point each eye at `target`, without roll (Listing's law).

    Eyes look along +z at rest. Vergence comes by itself, as each eye turns about its own joint. The result broadcasts
    over the leading dimensions of `params` and `target`, and carries gradients of both.
    """
    if target.shape[-1:] != (3,):
        raise ShapeError(f"target is {list(target.shape)}, wanted [..., 3] metres")
    joints, rotations = head.skeleton(params)
    away = target.unsqueeze(-2) - joints[..., _EYES, :]  # [..., 2, 3]
    x, y, z = (rotations[..., _NECK, :, :].mT.unsqueeze(-3) @ away.unsqueeze(-1)).squeeze(-1).unbind(-1)
    across = x * x + y * y
    ahead = across <= 1e-14 * z * z  # the axis has no direction there, and the angle is its own sine and tangent
    sine = torch.sqrt(torch.where(ahead, torch.ones_like(across), across))
    scale = torch.where(ahead, 1 / torch.where(z == 0, torch.ones_like(z), z), torch.atan2(sine, z) / sine)
    pitch, yaw = -y * scale, x * scale
    if within_limits:
        up, down, inward, outward = (float(limit) for limit in head.arrays.look_rad)
        pitch = pitch.clamp(-up, down)
        yaw = torch.stack([yaw[..., 0].clamp(-inward, outward), yaw[..., 1].clamp(-outward, inward)], -1)
    return torch.stack([pitch, yaw, torch.zeros_like(yaw)], -1)
