"""What the linear offsets on a rest mesh are multiplied by: features of joints and lids."""

from __future__ import annotations

import torch
from torch import Tensor


def pose_feature(rotations: Tensor) -> Tensor:
    """Rotations [..., J, 3, 3] -> [..., 9 (J - 1)]: the entries of R - I of every joint but the root.

    Eq. 3, Li et al. 2017: pose correctives are linear in R - I.
    """
    eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations[..., 1:, :, :] - eye).flatten(-3)


def eyelid_feature(eyelids: Tensor) -> Tensor:
    """Lid weights [..., 2] (left, right; 0 rest, 1 shut) -> [..., 4]: l, r, 4 l (1 - l), 4 r (1 - r).

    The quadratic term bulges the lid outward on its way, so that it slides round the eyeball and not through it.
    """
    return torch.cat([eyelids, 4 * eyelids * (1 - eyelids)], -1)
