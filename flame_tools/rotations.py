"""Rotations: axis-angle (radians) to and from matrices and quaternions. Leading dimensions are `...`."""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import ShapeError


def matrix_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """[..., 3] -> [..., 3, 3] by Rodrigues' formula.

    As in the published FLAME and SMPL code the angle is |r + 1e-8|, which keeps the gradient finite at zero.
    """
    if axis_angle.shape[-1] != 3:
        raise ShapeError(f"axis-angle is {list(axis_angle.shape)}, wanted [..., 3]")
    angle = (axis_angle + 1e-8).norm(dim=-1, keepdim=True)
    x, y, z = (axis_angle / angle).unbind(-1)
    zero = torch.zeros_like(x)
    k = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    angle = angle.unsqueeze(-1)
    eye = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return eye + torch.sin(angle) * k + (1 - torch.cos(angle)) * (k @ k)


def matrix_from_yaw_pitch_roll(angles: Tensor) -> Tensor:
    """[..., 3] radians, as Live Link Face orders them -> [..., 3, 3] = Ry(yaw) Rx(pitch) Rz(roll)."""
    yaw, pitch, roll = angles.unbind(-1)
    zero = torch.zeros_like(yaw)
    about = ((zero, yaw, zero), (pitch, zero, zero), (zero, zero, roll))
    y, x, z = (matrix_from_axis_angle(torch.stack(turn, -1)) for turn in about)
    return y @ x @ z


def quaternion_from_matrix(matrix: Tensor) -> Tensor:
    """[..., 3, 3] -> unit quaternions [..., 4] as (x, y, z, w), w >= 0.

    Each component's magnitude gives one candidate; the largest is used, which is stable at every angle
    (Shepperd 1978).
    """
    m = matrix
    trace = m.diagonal(dim1=-2, dim2=-1).sum(-1)
    squares = torch.stack(
        [*(1 + 2 * m[..., i, i] - trace for i in range(3)), 1 + trace], -1
    )  # four times the square of x, y, z, w
    x, y, z, w = squares.unbind(-1)
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    rows = torch.stack(
        [
            torch.stack([x, xy, xz, wx], -1),
            torch.stack([xy, y, yz, wy], -1),
            torch.stack([xz, yz, z, wz], -1),
            torch.stack([wx, wy, wz, w], -1),
        ],
        -2,
    )
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quaternion = torch.nn.functional.normalize(rows.gather(-2, best).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def axis_angle_from_matrix(matrix: Tensor) -> Tensor:
    """[..., 3, 3] -> axis-angle [..., 3] with angle in [0, pi]."""
    quaternion = quaternion_from_matrix(matrix)
    vector, w = quaternion[..., :3], quaternion[..., 3:]
    sine = vector.norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, w)
    scale = torch.where(sine > 1e-7, angle / sine.clamp_min(1e-12), 2 / w.clamp_min(0.5))
    return vector * scale
