"""Linear blend skinning over a small joint tree."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flame_tools.types import broadcast_leading


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


def skin(rest: Tensor, weights: Tensor, world: Tensor, posed: Tensor, joints: Tensor) -> Tensor:
    """Move rest vertices [..., V, 3] with their joints; weights [V, J]. Returns [..., V, 3]."""
    offset = posed - (world @ joints.unsqueeze(-1)).squeeze(-1)  # [..., J, 3]
    blended = weights @ torch.cat([world.flatten(-2), offset], -1)  # [..., V, 12]
    rotation, shift = blended[..., :9].unflatten(-1, (3, 3)), blended[..., 9:]
    return (rotation * rest.unsqueeze(-2)).sum(-1) + shift
