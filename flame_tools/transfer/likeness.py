"""The identity of one head that looks like a person on another."""

from __future__ import annotations

import numpy as np

from flame_tools.surface.alignment import align
from flame_tools.surface.correspondence import Correspondence
from flame_tools.surface.head_parts import SKIN
from flame_tools.transfer.samples import FACE, FINE, areas, in_regions
from flame_tools.types import HeadArrays

_HEAVIER = ((FACE, 10.0), (FINE, 10.0))  # regions, and how much more they count than the rest of the skin
_PRIOR_MM2 = 0.02  # of one squared SD, beside the mean squared distance
_ROUNDS = 4


def likeness(
    vertices: np.ndarray,  # [V, 3] metres, the person at rest on the source head
    target: HeadArrays,
    match: Correspondence,
) -> np.ndarray:  # [S]
    """Identity of `target`, in SD, whose face at rest comes nearest to the person's, wherever the person stands."""
    wanted = match.values(np.asarray(vertices, np.float64))  # [W, 3]
    weight = match.confidence * (match.parts == SKIN) * np.sqrt(areas(target) / areas(target).mean())
    for regions, heavier in _HEAVIER:
        inside = in_regions(target, regions)
        weight = weight if inside is None else np.where(inside, heavier * weight, weight)
    used = np.flatnonzero(weight > 0.05)
    share = weight[used] / weight[used].sum()
    basis = target.shapedirs[used].astype(np.float64)  # [n, 3, S]
    flat = basis.reshape(3 * len(used), -1) * 1e3
    heavy = flat * np.repeat(share, 3)[:, None]
    hessian = heavy.T @ flat + _PRIOR_MM2 * np.eye(flat.shape[1])
    template = target.v_template[used].astype(np.float64)
    shape = np.zeros(flat.shape[1])
    for _ in range(_ROUNDS):
        placed = align(wanted[used], template + basis @ shape, kind="rigid", weights=share)(wanted[used])
        shape = np.linalg.solve(hessian, heavy.T @ (1e3 * (placed - template)).reshape(-1))
    return shape
