"""Joints that follow identity, from registered meshes: where eyes and jaw turn, as sparse rows over the vertices.

A row is non-negative and sums to one, so that a joint stays inside the head; non-negative least squares (Lawson and
Hanson 1974) leaves most of it zero.
"""

from __future__ import annotations

import numpy as np

from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.mesh_graph import edge_matrix, smooth
from flame_tools.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT, HeadArrays

CANDIDATES = 300  # about as many vertices round a joint may give its place
REACH_M = 0.075
LEAST_TURN_RAD = 0.05  # a jaw that turned less says nothing about its hinge
PRIOR = 0.02  # what the description's jaw joint counts against the hinge that the motions show
SLIDE_M = 3e-4  # a jaw's motion that a turn about the hinge leaves over
ROUNDS = 4
FEWEST_OF_A_BALL = 12  # vertices through which a sphere is fitted
SMOOTHING, LEAST_SHARE = 2, 0.02  # of jaw weights: rounds over the surface; less than this is none
SUM_WEIGHT = 10.0  # holds the sum of a row at one, against errors in metres


def learn_regressor(
    neutrals: np.ndarray,  # [P, V, 3] metres, people at rest
    arrays: HeadArrays,  # whose regressor and weights describe the topology
    moved: np.ndarray,  # [N, J, 3] rigid vertices of the jaw in expressions
    rest: np.ndarray,  # [N, J, 3] the same vertices at rest
    person: np.ndarray,  # [N] index into neutrals
) -> np.ndarray:  # [5, V]
    """Rows for eyes at their balls' centres and for the jaw at its hinge; root and neck as the description has them."""
    told = arrays.J_regressor.astype(np.float64)
    rows = told.copy()
    mean = neutrals.mean(0)
    for eye in (LEFT_EYE, RIGHT_EYE):
        ball = np.flatnonzero(arrays.weights[:, eye] > 0.999)
        if len(ball) < FEWEST_OF_A_BALL:
            continue
        places = np.stack([sphere_centre(one[ball]) for one in neutrals])
        near = _near(mean, places.mean(0), arrays.mirror)
        equations = neutrals[:, near].transpose(0, 2, 1).reshape(-1, len(near))
        rows[eye] = 0.0
        rows[eye, near] = sparse_row(equations, places.ravel())
    near = _near(mean, told[JAW] @ mean, arrays.mirror)
    equations, right = _hinge_equations(neutrals[:, near], moved, rest, person)  # [n, 3, near], [n, 3]
    prior = PRIOR * neutrals[:, near].transpose(0, 2, 1).reshape(-1, len(near))
    prior_right = PRIOR * np.einsum("v,pvc->pc", told[JAW], neutrals).ravel()
    rows[JAW] = 0.0
    trust = np.ones(len(right))
    for _ in range(ROUNDS):  # a jaw that slides forward as it turns says another hinge: such meshes count less
        rows[JAW, near] = sparse_row(
            np.concatenate([(trust[:, None, None] * equations).reshape(-1, len(near)), prior]),
            np.concatenate([(trust[:, None] * right).ravel(), prior_right]),
        )
        away = np.linalg.norm(equations @ rows[JAW, near] - right, axis=-1)
        trust = 1.0 / (1.0 + (away / max(SLIDE_M, np.median(away) if len(away) else 0.0)) ** 2)
    return _even(rows, arrays.mirror)


def sparse_row(equations: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Non-negative weights [n] with sum one that solve equations [m, n] in least squares."""
    from scipy.optimize import nnls

    # The Gram matrix, not the tall system: nnls would factor all rows of every person again at each step.
    full = np.concatenate([equations, SUM_WEIGHT * np.ones((1, equations.shape[1]))])
    r = np.linalg.qr(np.concatenate([full, np.append(right, SUM_WEIGHT)[:, None]], 1), mode="r")
    weights, _ = nnls(r[:, :-1], r[:, -1], maxiter=20 * equations.shape[1])
    return weights / weights.sum()


def _near(mean: np.ndarray, place: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    away = np.linalg.norm(mean - place, axis=1)
    order = np.argsort(away, kind="stable")[: max(int((away < REACH_M).sum()), CANDIDATES)]
    order = order[:: max(len(order) // CANDIDATES, 1)]
    return np.union1d(order, mirror[order]) if abs(place[0]) < 5e-3 else np.sort(order)


def _hinge_equations(candidates, moved, rest, person) -> tuple[np.ndarray, np.ndarray]:
    """(I - R) X r = t for each of m jaws that turned, with X [3, n] its person's candidates: [m, 3, n] and [m, 3]."""
    centre = rest.mean(1, keepdims=True)
    after = moved.mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("nvi,nvj->nij", (moved - after).astype(np.float64), rest - centre))
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    turn = u @ vt
    shift = after[:, 0] - np.einsum("nab,nb->na", turn, centre[:, 0])
    angle = np.arccos(np.clip(0.5 * (np.trace(turn, axis1=1, axis2=2) - 1.0), -1.0, 1.0))
    used = np.flatnonzero(angle > LEAST_TURN_RAD)
    matrix = np.einsum("nab,nvb->nav", np.eye(3) - turn[used], candidates[person[used]])
    return matrix, shift[used]


def _even(rows: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Rows that are symmetric under the mirror, where the topology has one."""
    if np.array_equal(mirror, np.arange(len(mirror))):
        return rows
    across = np.zeros_like(rows)
    for vertex in range(rows.shape[1]):
        across[:, mirror[vertex]] += rows[:, vertex]
    return 0.5 * (rows + across[[ROOT, NECK, JAW, RIGHT_EYE, LEFT_EYE]])


def learn_jaw_weights(
    rest: np.ndarray,  # [N, V, 3] metres
    posed: np.ndarray,  # [N, V, 3] stabilised
    joints: np.ndarray,  # [N, 5, 3]
    turns: np.ndarray,  # [N, 5, 3, 3]
    arrays: HeadArrays,
) -> np.ndarray:  # [V, 5]
    """Skinning weights whose jaw column is the share of the jaw's turns that each vertex has followed.

    What the jaw gains the skull loses; eyes and the way down the neck stay as they are described.
    """
    angle = np.arccos(np.clip(0.5 * (np.trace(turns[:, JAW], axis1=1, axis2=2) - 1.0), -1.0, 1.0))
    follow, reach = np.zeros((2, rest.shape[1]))
    for i in np.flatnonzero(angle > LEAST_TURN_RAD):
        swept = (rest[i] - joints[i, JAW]) @ (turns[i, JAW] - np.eye(3)).T
        follow += (swept * (posed[i] - rest[i])).sum(1)
        reach += (swept**2).sum(1)
    if not reach.any():
        return arrays.weights
    share = np.clip(follow / np.maximum(reach, 1e-9), 0.0, 1.0)
    share = smooth(edge_matrix(arrays.faces, len(reach)), share, SMOOTHING)
    share[share < LEAST_SHARE] = 0.0
    share[np.asarray(arrays.regions.get("lower_teeth", ()), int)] = 1.0
    weights = np.array(arrays.weights, np.float64)
    skull = weights[:, NECK] + weights[:, JAW]
    weights[:, JAW] = share * skull
    weights[:, NECK] = skull - weights[:, JAW]
    return weights.astype(np.float32)
