"""How well a learnt head says meshes that it has not seen: mean distance of vertices by the number of components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.learn.head import Scans, importance, prepare
from flame_tools.learn.unposing import part_turns, rigid_parts, unpose
from flame_tools.rotations import axis_angle_from_matrix
from flame_tools.types import FaceParams, HeadArrays

RIDGE = 1e-4  # in units of SD against millimetres: keeps components that the mesh does not show small


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Mean vertex distances in millimetres, each over people or expressions, on the face."""

    identity_mm: dict[int, float]  # by the number of identity components; 0: everyone has the mean face
    expression_mm: dict[int, float]  # by the number of expression components; 0: jaw and eyes alone
    still_mm: float  # expressions against the same people at rest: nothing learnt


def held_out(
    arrays: HeadArrays,
    scans: Scans,  # of people that were not learnt from
    counts: Sequence[int] = (0, 5, 10, 20, 50, 100),
) -> HeldOut:
    """Fit growing numbers of components to neutral faces, then to expressions of the people so fitted."""
    ready = prepare(scans, arrays)
    weights = importance(arrays)
    face = np.asarray(arrays.regions.get("face", np.arange(len(weights))), int)
    head = Head(arrays)

    def distance(found: np.ndarray, wanted: np.ndarray) -> float:
        return 1e3 * float(np.linalg.norm(found[:, face] - wanted[:, face], axis=-1).mean())

    identity_mm, shapes = {}, np.zeros((len(ready.neutrals), 0))
    for count in _counts(counts, head.shape_size):
        dirs = arrays.shapedirs[..., :count]
        shapes = explain(ready.neutrals - arrays.v_template, dirs, weights)
        identity_mm[count] = distance(arrays.v_template + np.tensordot(shapes, dirs, (1, 2)), ready.neutrals)
    # Expressions are held against the person's own face, so that what identity leaves over is not counted again.
    own = ready.neutrals[ready.person]
    fitted = (arrays.v_template + np.tensordot(shapes, arrays.shapedirs[..., : shapes.shape[1]], (1, 2)))[ready.person]
    joints = np.einsum("jv,nvc->njc", arrays.J_regressor.astype(np.float64), own)
    turns = part_turns(own, ready.posed, joints, rigid_parts(arrays))
    offsets = unpose(ready.posed, joints, turns, arrays.weights) - own
    feature = (turns[:, 1:] - np.eye(3)).reshape(len(turns), -1)
    offsets = offsets - np.tensordot(feature, arrays.posedirs.astype(np.float64), (1, 2))
    axis_angle = axis_angle_from_matrix(torch.as_tensor(turns))
    full = np.pad(shapes, [(0, 0), (0, head.shape_size - shapes.shape[1])])[ready.person]
    expression_mm = {}
    for count in _counts(counts, head.expression_size):
        found = explain(offsets, arrays.expressiondirs[..., :count], weights)
        params = FaceParams.neutral(head, len(found)).replace(
            shape=torch.as_tensor(full, dtype=head.v_template.dtype),
            expression=torch.as_tensor(
                np.pad(found, [(0, 0), (0, head.expression_size - count)]), dtype=head.v_template.dtype
            ),
            jaw=axis_angle[:, 2].to(head.v_template),
            eyes=axis_angle[:, 3:].to(head.v_template),
        )
        with torch.no_grad():
            expression_mm[count] = distance(head.vertices(params).numpy() + (own - fitted), ready.posed)
    return HeldOut(identity_mm, expression_mm, distance(own, ready.posed))


def explain(offsets: np.ndarray, dirs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients [N, K] of directions [V, 3, K] that come nearest to offsets [N, V, 3]."""
    heavy = np.repeat(np.sqrt(weights), 3)[:, None] * 1e3
    basis = heavy * dirs.reshape(3 * len(dirs), dirs.shape[-1]).astype(np.float64)
    right = basis.T @ (heavy * offsets.reshape(len(offsets), -1).T)
    return np.linalg.solve(basis.T @ basis + RIDGE * np.eye(dirs.shape[-1]), right).T


def _counts(wanted: Sequence[int], most: int) -> list[int]:
    return sorted({min(count, most) for count in wanted} | {most})
