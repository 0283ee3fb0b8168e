"""How far apart landmarks are, whatever their place: lids that open, lips that part, corners that spread.

DECA's lids and lips (Feng et al. 2021, section 4.1), EMICA's corners, and SPECTRE's set of seven (Filntisis et al.
2023). Translation and rotation of a face do not matter, its size does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import ShapeError
from readers.face_parts import LID_PAIRS, LIP_PAIRS
from recon.losses.weighted import lengths, weighted_mean

Pairs = tuple[tuple[int, int], ...]

LIDS_68: Pairs = ((37, 41), (38, 40), (43, 47), (44, 46))  # upper, lower
LIPS_68: Pairs = ((61, 67), (62, 66), (63, 65))  # inner lips, upper and lower
CORNERS_68: Pairs = ((48, 54),)
SPECTRE_68: Pairs = ((57, 8), (51, 33), (48, 54), (60, 64), *LIPS_68)  # lips to chin and nose, corners, lips
LIDS_468: Pairs = tuple(LID_PAIRS)
LIPS_468: Pairs = tuple((int(upper), int(lower)) for upper, lower in LIP_PAIRS)
CORNERS_468: Pairs = ((61, 291),)


def distances(points: Tensor, pairs: Pairs) -> Tensor:
    """Lengths [..., P] between pairs of points [..., L, n], in their unit."""
    first, second = torch.as_tensor(pairs, device=points.device).unbind(-1)
    if points.ndim < 2 or points.shape[-2] <= int(max(first.max(), second.max())):
        raise ShapeError(f"points are {list(points.shape)}, the pairs name point {int(max(first.max(), second.max()))}")
    return lengths(points[..., first, :] - points[..., second, :])


def distance_loss(
    found: Tensor,  # [..., L, 2 or 3]
    wanted: Tensor,  # [..., L, 2 or 3] in the same unit
    pairs: Pairs,
    weights: Tensor | None = None,  # broadcasts to [..., L]; a pair counts as the less of its two
) -> Tensor:
    """Mean absolute difference of the pairs' distances."""
    apart = (distances(found, pairs) - distances(wanted, pairs)).abs()
    if weights is None:
        return apart.mean()
    return weighted_mean(apart, weights[..., torch.as_tensor(pairs, device=weights.device)].amin(-1))
