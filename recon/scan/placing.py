"""Where a scan lies and in which unit: robust alignments, units, and faces moved with them."""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.export import axes
from flame_tools.head import Head
from flame_tools.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from flame_tools.surface.alignment import Alignment, align
from flame_tools.types import FaceParams
from recon.fitting.rotation import rotation_derivatives, rotation_matrix

UNITS = axes.UNITS | {"in": 0.0254}  # metres; scanners know inches, too
UNIT_TOLERANCE = 1.35  # heads of children and of giants against the average one


def rotation_of(alignment: Alignment) -> np.ndarray:
    """[3, 3] the turn in a rigid motion or similarity."""
    return alignment.linear / alignment.scale


def align_robustly(
    points: np.ndarray,  # [N, 3]
    targets: np.ndarray,  # [N, 3]
    weights: np.ndarray,  # [N]
    *,
    width: float,  # in the targets' unit: errors beyond it lose their pull (Geman-McClure)
    kind: str = "similarity",
    rounds: int = 12,
) -> Alignment:
    """The map of `kind` that brings most of the points near their targets."""
    found = align(points, targets, kind=kind, weights=weights)
    for _ in range(rounds):
        squared = ((found(points) - targets) ** 2).sum(1)
        squared_width = max(width**2, float(np.median(squared[weights > 0])))
        found = align(points, targets, kind=kind, weights=weights / (1 + squared / squared_width) ** 2)
    return found


def unit_of(metres_per_unit: float) -> tuple[str, float]:
    """The unit, and its metres, that makes a head of this size nearest to an average one.

    Where none does, the unit is "unknown" and the head gets the size of an average one.
    """
    name = min(UNITS, key=lambda u: abs(np.log(metres_per_unit / UNITS[u])))
    if abs(np.log(metres_per_unit / UNITS[name])) < np.log(UNIT_TOLERANCE):
        return name, UNITS[name]
    return "unknown", float(metres_per_unit)


def root_joints(params: FaceParams, head: Head) -> torch.Tensor:
    """Where the root joint of each face lies before it is moved [..., 3]; on official FLAME it follows expression."""
    return head.skeleton(params.replace(translation=torch.zeros_like(params.translation)))[0][..., 0, :]


def place_in(params: FaceParams, root: torch.Tensor, motion: Alignment) -> FaceParams:
    """A face moved rigidly; its root joint [3] lies at `root` before."""
    kind = params.global_rotation.dtype
    linear, shift = torch.as_tensor(rotation_of(motion)), torch.as_tensor(motion.translation)
    root = root.double()
    rotation = linear @ matrix_from_axis_angle(params.global_rotation.double())
    translation = (root + params.translation.double()) @ linear.T + shift - root
    return params.replace(global_rotation=axis_angle_from_matrix(rotation).to(kind), translation=translation.to(kind))


def moved_pose(
    rotation: np.ndarray,  # [3] before, axis-angle
    root: np.ndarray,  # [3, F] metres: how the root joint moves with F components of identity and expression
    motion: Alignment,
) -> np.ndarray:  # [6, F + 6]
    """How rotation and translation after `place_in` change with the components, rotation and translation before."""
    turn = rotation_of(motion)
    after = axis_angle_from_matrix(torch.as_tensor(turn @ rotation_matrix(rotation))).numpy()
    count = root.shape[1]
    change = np.zeros((6, count + 6))
    change[:3, count : count + 3] = np.linalg.solve(_spins(after), turn @ _spins(rotation))
    change[3:, :count] = (turn - np.eye(3)) @ root
    change[3:, count + 3 :] = turn
    return change


def _spins(rotation: np.ndarray) -> np.ndarray:
    """[3, 3] the left Jacobian of SO(3): columns are the small turns that changes of a rotation vector add."""
    crossed = rotation_derivatives(rotation) @ rotation_matrix(rotation).T
    return np.stack([crossed[:, 2, 1], crossed[:, 0, 2], crossed[:, 1, 0]])
