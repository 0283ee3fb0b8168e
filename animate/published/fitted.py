"""Vertices of FLAME's mesh that a model moved, as the expression and jaw of a FLAME head that come nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flame_tools.transfer.fit import Terms, Unknowns, Wanted, fit_motion
from flame_tools.transfer.motion import JAW_SD, OTHERS, columns
from flame_tools.transfer.points import FacePoints
from flame_tools.types import HeadArrays

_EVERY = 3  # of the vertices one in three: what is fitted is smooth over the mesh
_JAW_LIMITS = ((-0.1, 0.7), (-0.25, 0.25), (-0.06, 0.06))
_TERMS = Terms(few=0.0)  # FLAME's components have two sides and no rest that they are expected to keep to


@dataclass(frozen=True)
class Fitted:
    """Parameters over frames, and how far their face is from what was asked."""

    expression: Tensor  # [T, E]
    jaw: Tensor  # [T, 3]
    residual_mm: np.ndarray  # [T] mean over the vertices that were fitted


def fitted(
    offsets: Tensor,  # [T, V, 3] metres from the neutral face
    arrays: HeadArrays,
    shape: np.ndarray,  # [S] whose neutral face it is
) -> Fitted:
    chosen = np.union1d(np.arange(0, len(arrays.v_template), _EVERY), arrays.inner_lip_pairs.ravel()).astype(int)
    points = FacePoints(arrays, shape, chosen)
    moved = offsets[:, chosen].double().numpy()
    at = columns(arrays)
    solved = np.r_[at["expression"], at["jaw"]]
    low, high = arrays.expression_bounds.T
    jaw_low, jaw_high = np.transpose(_JAW_LIMITS)
    unknowns = Unknowns(
        np.eye(len(arrays.expression_names) + OTHERS)[solved],
        np.r_[low, jaw_low],
        np.r_[high, jaw_high],
        np.r_[arrays.expression_sd, JAW_SD],
    )

    def wanted(rows: slice) -> Wanted:
        none = np.zeros((len(moved[rows]), 0, 3))
        return Wanted(points.template + moved[rows], none, none)

    found = fit_motion(
        points,
        wanted,
        unknowns,
        np.zeros((len(moved), unknowns.directions.shape[1])),
        weights=np.ones(len(chosen)),
        pairs=np.zeros((0, 2), int),
        terms=_TERMS,
    )
    motion = torch.from_numpy(found.motion)
    return Fitted(motion[:, at["expression"]], motion[:, at["jaw"]], found.residual_mm)
