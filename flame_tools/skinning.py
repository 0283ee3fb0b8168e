"""From coefficients and rotations to posed vertices, in plain torch: the definition that the CPU kernels follow.

rest     = template + [linear, R - I] @ directions + lids
joints   = joint_template + linear @ joint_directions
vertices = sum_j weight_j (R_j (rest - joint_j) + placed_j) + translation
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flame_tools.blendshapes import pose_feature
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.types import PARENTS, broadcast_leading


def articulate_torch(
    linear: Tensor,  # [B, K] identity and expression
    turns: Tensor,  # [B, J, 3] axis-angle of each joint in its parent, radians
    translation: Tensor,  # [B, 3] metres
    lids: Tensor,  # [B, N, 3] metres, added at rest to `lid_vertices`
    template: Tensor,  # [V, 3] metres
    joint_template: Tensor,  # [J, 3] metres
    directions: Tensor,  # [K + 9 (J - 1), 3 V]: of linear, then of R - I
    joint_directions: Tensor,  # [L, 3 J]: joints follow the first L of linear
    weights: Tensor,  # [J, V]
    lid_vertices: Tensor,  # [N]
) -> tuple[Tensor, Tensor, Tensor]:
    """Posed vertices [B, V, 3], posed joints [B, J, 3] and world rotations [B, J, 3, 3]."""
    local = matrix_from_axis_angle(turns)
    coefficients = torch.cat([linear, pose_feature(local)], -1)
    rest = template + (coefficients @ directions).unflatten(-1, (-1, 3))
    if len(lid_vertices):
        rest = rest.index_add(-2, lid_vertices, lids)
    joints = torch.addmm(joint_template.flatten(), linear[:, : len(joint_directions)], joint_directions)
    joints = joints.unflatten(-1, (-1, 3))
    world, placed = joint_transforms(local, joints, PARENTS)
    move = translation.unsqueeze(-2)
    return skin(rest, weights, world, placed, joints) + move, placed + move, world


def joint_transforms(rotations: Tensor, joints: Tensor, parents: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Chain local rotations [..., J, 3, 3] about rest joints [..., J, 3] down the tree.

    Returns world rotations [..., J, 3, 3] and posed joints [..., J, 3].
    """
    world, posed = [rotations[..., 0, :, :]], [joints[..., 0, :]]
    for j, parent in enumerate(parents[1:], start=1):
        bone = joints[..., j, :] - joints[..., parent, :]
        posed.append(posed[parent] + (world[parent] @ bone.unsqueeze(-1)).squeeze(-1))
        world.append(world[parent] @ rotations[..., j, :, :])
    leading = broadcast_leading(*(w.shape[:-2] for w in world), *(p.shape[:-1] for p in posed))
    return (
        torch.stack([w.expand(*leading, 3, 3) for w in world], -3),
        torch.stack([p.expand(*leading, 3) for p in posed], -2),
    )


def skin(rest: Tensor, weights: Tensor, world: Tensor, placed: Tensor, joints: Tensor) -> Tensor:
    """Move rest vertices [..., V, 3] with their joints; weights [J, V]. Returns [..., V, 3].

    One plane [..., V] an entry of the blended transform: no [V, 3, 3] is ever made.
    """
    shift = placed - (world @ joints.unsqueeze(-1)).squeeze(-1)  # [..., J, 3]
    blended = torch.cat([world, shift.unsqueeze(-1)], -1).flatten(-2).mT @ weights  # [..., 12, V]
    x, y, z = rest.unbind(-1)
    rows = blended.unflatten(-2, (3, 4)).unbind(-3)
    moved = [
        torch.addcmul(torch.addcmul(torch.addcmul(at, a, x), b, y), c, z)
        for a, b, c, at in (row.unbind(-2) for row in rows)
    ]
    return torch.stack(moved, -1)
