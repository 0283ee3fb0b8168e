"""Registered meshes taken back to rest: how jaw and eyes have turned, and what skinning would have started from.

Meshes are stabilised: the skull stands still, so root and neck do not turn.
"""

from __future__ import annotations

import numpy as np

from flame_tools.types import JAW, LEFT_EYE, RIGHT_EYE, HeadArrays

TURNING = (JAW, LEFT_EYE, RIGHT_EYE)
RIGID = 0.95  # of a part's weight: what moves with one joint alone


def rigid_parts(arrays: HeadArrays) -> dict[int, np.ndarray]:
    """Vertices by which to tell how far the jaw and the eyes have turned: teeth and eyeballs, or else skin."""
    parts = {joint: np.flatnonzero(arrays.weights[:, joint] > RIGID) for joint in TURNING}
    teeth = arrays.regions.get("lower_teeth", ())
    if len(teeth):
        parts[JAW] = np.asarray(teeth)
    elif len(arrays.regions.get("lips", ())):
        parts[JAW] = np.setdiff1d(parts[JAW], arrays.regions["lips"])  # lips have a life of their own
    return {joint: vertices for joint, vertices in parts.items() if len(vertices) >= 3}


def part_turns(
    neutral: np.ndarray,  # [N, V, 3] metres, the same people at rest
    posed: np.ndarray,  # [N, V, 3]
    joints: np.ndarray,  # [N, 5, 3]
    parts: dict[int, np.ndarray],  # of rigid_parts
) -> np.ndarray:  # [N, 5, 3, 3]
    """Rotations of the joints that take each part nearest to where it is, about its joint (Kabsch 1976)."""
    rotations = np.tile(np.eye(3), (len(posed), 5, 1, 1))
    for joint, vertices in parts.items():
        hinge = joints[:, joint, None]
        before, after = neutral[:, vertices] - hinge, posed[:, vertices] - hinge
        u, _, vt = np.linalg.svd(np.einsum("nvi,nvj->nij", after.astype(np.float64), before))
        u[..., 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
        rotations[:, joint] = u @ vt
    return rotations


def unpose(
    posed: np.ndarray,  # [N, V, 3]
    joints: np.ndarray,  # [N, 5, 3]
    rotations: np.ndarray,  # [N, 5, 3, 3]
    weights: np.ndarray,  # [V, 5]
) -> np.ndarray:  # [N, V, 3]
    """Rest positions that skinning takes to `posed`, pose correctives included."""
    weights = np.asarray(weights, np.float64)
    moving = np.flatnonzero(weights[:, TURNING].sum(1) > 0)
    share = weights[moving][:, TURNING]  # [m, 3]
    rest = np.array(posed)
    for i in range(len(posed)):
        turn, hinge = rotations[i, TURNING], joints[i, TURNING]
        blend = np.eye(3) + np.einsum("mj,jab->mab", share, turn - np.eye(3))
        shift = share @ (hinge - np.einsum("jab,jb->ja", turn, hinge))
        rest[i, moving] = _solve(blend, posed[i, moving] - shift)
    return rest


def _solve(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions [n, 3] of [n, 3, 3] x = [n, 3] by Cramer's rule, several times faster than LAPACK one by one."""
    a, b, c = matrices[..., 0], matrices[..., 1], matrices[..., 2]
    bc, ca, ab = np.cross(b, c), np.cross(c, a), np.cross(a, b)
    determinant = (a * bc).sum(-1)
    return np.stack([(bc * right).sum(-1), (ca * right).sum(-1), (ab * right).sum(-1)], -1) / determinant[:, None]
