"""Joints and skinning weights of a mesh from its geometry and its sculpted shapes.

The jaw's hinge is the axis about which jawOpen turns what is rigid (the lower teeth) or moves most; the jaw's weight is
the share of that turn that each vertex follows. Eyeballs turn about the centre of the sphere through them. Neck and
root lie where the default head has them, measured from the eyes in units of their distance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flame_tools.mesh_graph import edge_matrix, harmonic, open_edges, pieces, smooth
from flame_tools.owners import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT, Rigging

EYES_APART_M = 0.0634  # of the default head, for which these places hold, from the middle between the eyes:
NECK_FROM_EYES = np.array([0.0, -0.042, -0.081])  # the skull on the atlas
ROOT_FROM_EYES = np.array([0.0, -0.155, -0.104])  # the seventh cervical vertebra
SKULL_FROM_EYES = -0.105  # below this height less and less turns with the skull
LOOK_RAD = np.radians([24.0, 27.0, 30.0, 30.0])  # a full glance up, down, in, out where the eyeballs do not say it
JAW_OPEN_RAD = 0.42  # the same for the jaw
REACH_M = 0.075  # vertices within this of a joint give its place in any identity


def rig(
    template: np.ndarray,
    faces: np.ndarray,
    shapes: Mapping[str, np.ndarray],
    eyeballs: tuple[np.ndarray, np.ndarray],
    lower_teeth: np.ndarray,
) -> Rigging:
    """Joints and weights; `eyeballs` (left, right) and `lower_teeth` are vertex indices of rigid parts."""
    eyes = [sphere_centre(template[ball]) for ball in eyeballs]
    scale = np.linalg.norm(eyes[0] - eyes[1]) / EYES_APART_M
    between = 0.5 * (eyes[0] + eyes[1])
    angle, hinge = jaw_hinge(template, shapes["jawOpen"], lower_teeth)
    joints = np.stack([between + scale * ROOT_FROM_EYES, between + scale * NECK_FROM_EYES, hinge, *eyes])
    jaw = jaw_share(template, faces, shapes["jawOpen"], angle, hinge)
    jaw[lower_teeth] = 1.0
    skull = skull_share(template, faces, between[1] + scale * SKULL_FROM_EYES)
    weights = np.zeros((len(template), 5))
    weights[:, JAW] = jaw * skull
    weights[:, NECK] = skull - weights[:, JAW]
    weights[:, ROOT] = 1.0 - skull
    for joint, ball in zip((LEFT_EYE, RIGHT_EYE), eyeballs, strict=True):
        weights[ball] = 0.0
        weights[ball, joint] = 1.0
    return Rigging(joints, weights, angle, side_angle(template, shapes, weights[:, JAW], hinge), LOOK_RAD)


def sphere_centre(points: np.ndarray) -> np.ndarray:
    """Centre [3] of the sphere through points [n, 3] (least squares)."""
    rows = np.concatenate([2.0 * points, np.ones((len(points), 1))], 1)
    return np.linalg.lstsq(rows, (points**2).sum(1), rcond=None)[0][:3]


def jaw_hinge(template: np.ndarray, opened: np.ndarray, rigid: np.ndarray) -> tuple[float, np.ndarray]:
    """Angle (radians, +x) and centre [3] of the turn that jawOpen gives the vertices `rigid`."""
    from scipy.spatial.transform import Rotation

    before = template[rigid]
    after = before + opened[rigid]
    turn, _ = Rotation.align_vectors(after - after.mean(0), before - before.mean(0))
    shift = after.mean(0) - turn.apply(before.mean(0))
    centre = np.linalg.solve((np.eye(3) - turn.as_matrix())[1:, 1:], shift[1:])
    return float(turn.as_rotvec()[0]), np.array([0.0, *centre])


def jaw_share(
    template: np.ndarray, faces: np.ndarray, opened: np.ndarray, angle: float, hinge: np.ndarray
) -> np.ndarray:
    """How much of the jaw's turn each vertex follows in jawOpen [V, 3]: [V] in [0, 1], smoothed over the surface."""
    from scipy.spatial.transform import Rotation

    turned = (template - hinge) @ (Rotation.from_rotvec([angle, 0.0, 0.0]).as_matrix() - np.eye(3)).T
    share = (turned * opened).sum(1) / np.maximum((turned**2).sum(1), 1e-6)
    share = smooth(edge_matrix(faces, len(template)), np.clip(share, 0.0, 1.0), 2)
    share[share < 2e-3] = 0.0
    return share


def side_angle(template: np.ndarray, shapes: Mapping[str, np.ndarray], jaw: np.ndarray, hinge: np.ndarray) -> float:
    """The turn about +y (radians) whose skinning explains jawLeft, and jawRight the other way, best."""
    moved = [sign * shapes[name][:, 0] for name, sign in (("jawLeft", 1.0), ("jawRight", -1.0)) if name in shapes]
    if not moved:
        return 0.0
    arm = jaw * (template[:, 2] - hinge[2])  # d x / d angle
    return float((arm * np.mean(moved, axis=0)).sum() / (arm**2).sum())


def skull_share(template: np.ndarray, faces: np.ndarray, level: float) -> np.ndarray:
    """How far each vertex turns with the skull [V]: 1 on the head, smoothly to 0 at the rim below `level` (metres)."""
    low = np.unique(open_edges(faces))
    low = low[template[low, 1] < level]
    if not len(low):
        return np.ones(len(template))
    share = np.ones(len(template))
    adjacency = edge_matrix(faces, len(template))
    labels = pieces(adjacency)
    part = np.flatnonzero(np.isin(labels, labels[low]))
    fixed = {int(i): 1.0 for i in np.flatnonzero(template[part, 1] >= level)}
    fixed |= {int(i): 0.0 for i in np.searchsorted(part, low)}
    h = np.clip(harmonic(adjacency[part][:, part].tocsr(), fixed), 0.0, 1.0)
    share[part] = h * h * (3.0 - 2.0 * h)
    return share


def regressor(template: np.ndarray, rigging: Rigging) -> np.ndarray:
    """Rows [5, V] that give each joint from vertices that belong to it."""
    rows = np.zeros((5, len(template)))
    for joint, place in enumerate(rigging.joints):
        if joint in (LEFT_EYE, RIGHT_EYE):
            members = np.flatnonzero(rigging.weights[:, joint] > 0.999)
        else:
            distance = np.linalg.norm(template - place, axis=1)
            members = np.flatnonzero(distance < max(REACH_M, np.partition(distance, 300)[300]))
        rows[joint, members] = affine_weights(template[members], place)
    return rows


def affine_weights(points: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Weights [n] with sum 1 whose mean of points [n, 3] is `place`, as even as possible."""
    rows = np.concatenate([points - place, np.ones((len(points), 1))], 1)  # [n, 4]
    even = np.full(len(points), 1.0 / len(points))
    missing = np.array([0.0, 0.0, 0.0, 1.0]) - rows.T @ even
    return even + rows @ np.linalg.solve(rows.T @ rows, missing)
