"""Joints and skinning weights of a mesh from its geometry and its sculpted shapes.

The jaw's hinge is the axis about which jawOpen turns what is rigid (the lower teeth) or moves most; the jaw's weight is
the share of that turn that each vertex follows. Eyeballs turn about the centre of the sphere through them. Neck and
root lie where the default head has them, measured from the eyes in units of their distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flame_tools.characters.owners import Owned, Rigging, everyday_sd
from flame_tools.errors import FormatError
from flame_tools.smooth import smooth_step
from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.mesh_graph import edge_matrix, harmonic, open_edges, pieces, smooth
from flame_tools.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT

EYES_APART_M = 0.0634  # of the default head, for which these places hold, from the middle between the eyes:
NECK_FROM_EYES = np.array([0.0, -0.042, -0.081])  # the skull on the atlas
ROOT_FROM_EYES = np.array([0.0, -0.155, -0.104])  # the seventh cervical vertebra
JAW_FROM_EYES = np.array([0.0, -0.050, -0.054])  # the mandible's mean hinge, a little before the ear canals
SKULL_FROM_EYES = -0.105  # below this height less and less turns with the skull
REACH_M = 0.075  # vertices within this of a joint give its place in any identity
MEMBERS = 300  # but at least so many
SOCKET = 0.19  # radius of an eyeball as a share of the distance between the eyes
# What shapes turn less, or more, is no glance and no hinge: then joints turn as they usually do.
LEAST_TURN_RAD, LARGEST_TURN_RAD = 0.05, 1.2


SMALLEST_SIDE_RAD = 0.005


@dataclass(frozen=True)
class Angles:
    """Turns that stand for ARKit's names at weight 1 where a file does not say them; as the default head's."""

    jaw_open_rad: float = 0.4255
    jaw_side_rad: float = 0.1124
    look_rad: tuple[float, float, float, float] = (0.4189, 0.4712, 0.5236, 0.5236)  # up, down, in, out


def rig(
    template: np.ndarray,
    faces: np.ndarray,
    shapes: Mapping[str, np.ndarray],
    *,
    eyeballs: tuple[np.ndarray, np.ndarray],
    rigid_jaw: np.ndarray,
    places: Mapping[int, np.ndarray] | None = None,
    skin: np.ndarray | None = None,
    angles: Angles | None = None,
) -> Rigging:
    """Joints and weights of a mesh whose shapes hold the jaw's motion.

    `eyeballs` (left, right) and `rigid_jaw` are vertices that move as one, `places` joints that are known, and `skin`
    [V, 5] the weights that a file gives (rows of zeros: none), of which the jaw's are left aside: its shape says more.
    """
    places, angles = dict(places or {}), angles or Angles()
    for joint, ball, side in ((LEFT_EYE, eyeballs[0], "Left"), (RIGHT_EYE, eyeballs[1], "Right")):
        if joint not in places and len(ball):
            places[joint] = sphere_centre(template[ball])
        elif joint not in places:
            places[joint] = _socket(template, shapes, side)
    eyes = [places[LEFT_EYE], places[RIGHT_EYE]]
    scale = np.linalg.norm(eyes[0] - eyes[1]) / EYES_APART_M
    between = 0.5 * (eyes[0] + eyes[1])
    angle, hinge = angles.jaw_open_rad, places.get(JAW, between + scale * JAW_FROM_EYES)
    share = np.zeros(len(template))
    if "jawOpen" in shapes and len(rigid_jaw):
        angle, hinge = jaw_hinge(template, shapes["jawOpen"], rigid_jaw) or (angle, hinge)
        share = jaw_share(template, faces, shapes["jawOpen"], angle, hinge)
        share[rigid_jaw] = 1.0
    joints = np.stack(
        [
            places.get(ROOT, between + scale * ROOT_FROM_EYES),
            places.get(NECK, between + scale * NECK_FROM_EYES),
            hinge,
            *eyes,
        ]
    )
    weights = np.zeros((len(template), 5))
    skull = skull_share(template, faces, between[1] + scale * SKULL_FROM_EYES)
    if skin is not None:
        skinned = skin.sum(1) > 0.5
        skull[skinned] = 1.0 - skin[skinned, ROOT]
    weights[:, JAW] = share * skull
    weights[:, NECK] = skull - weights[:, JAW]
    weights[:, ROOT] = 1.0 - skull
    for joint, ball in zip((LEFT_EYE, RIGHT_EYE), eyeballs, strict=True):
        weights[ball] = 0.0
        weights[ball, joint] = 1.0
    side = side_angle(template, shapes, weights[:, JAW], hinge) or angles.jaw_side_rad
    look = look_angles(template, shapes, eyeballs, joints[LEFT_EYE:], angles)
    return Rigging(joints, weights, angle, side, look)


def _socket(template: np.ndarray, shapes: Mapping[str, np.ndarray], side: str) -> np.ndarray:
    """A place [3] for an eye that has no ball: behind the middle of its lids."""
    lids = [lid_middle(template, shapes, s) for s in ("Left", "Right")]
    if lids[0] is None or lids[1] is None:
        raise FormatError("there are no eyeballs and no eyeBlink shapes, so nothing says where the eyes are; add one")
    own = lids[0] if side == "Left" else lids[1]
    return own - [0.0, 0.0, SOCKET * np.linalg.norm(lids[0] - lids[1])]


def lid_middle(template: np.ndarray, shapes: Mapping[str, np.ndarray], side: str) -> np.ndarray | None:
    """The middle [3] of what eyeBlink of one side moves most; None where the shape is missing."""
    if f"eyeBlink{side}" not in shapes:
        return None
    moved = np.linalg.norm(shapes[f"eyeBlink{side}"], axis=1)
    if not moved.max() > 0:
        return None
    return np.average(template, axis=0, weights=np.where(moved > 0.4 * moved.max(), moved, 0.0))


def look_angles(
    template: np.ndarray,
    shapes: Mapping[str, np.ndarray],
    eyeballs: tuple[np.ndarray, np.ndarray],
    centres: np.ndarray,
    angles: Angles,
) -> np.ndarray:
    """How far [4] eyeLookUp, Down, In and Out turn the eyeballs; `angles` where shapes leave them still."""
    from scipy.spatial.transform import Rotation

    result = np.array(angles.look_rad)
    for i, name in enumerate(("Up", "Down", "In", "Out")):
        turned = []
        for side, ball, centre in zip(("Left", "Right"), eyeballs, centres, strict=True):
            shape = shapes.get(f"eyeLook{name}{side}")
            if shape is not None and len(ball) and np.abs(shape[ball]).max() > 1e-4:
                out = template[ball] - centre
                turned.append(Rotation.align_vectors(out + shape[ball], out)[0].magnitude())
        if turned and LEAST_TURN_RAD < np.mean(turned) < LARGEST_TURN_RAD:
            result[i] = np.mean(turned)
    return result


def jaw_hinge(template: np.ndarray, opened: np.ndarray, rigid: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Angle (radians, +x) and centre [3] of the turn that jawOpen gives the vertices `rigid`; None where it is none."""
    from scipy.spatial.transform import Rotation

    before = template[rigid]
    after = before + opened[rigid]
    turn, _ = Rotation.align_vectors(after - after.mean(0), before - before.mean(0))
    if not LEAST_TURN_RAD < turn.as_rotvec()[0] < LARGEST_TURN_RAD:
        return None
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
    """The turn about +y (radians) whose skinning explains jawLeft, and jawRight the other way; 0 where none does."""
    moved = [sign * shapes[name][:, 0] for name, sign in (("jawLeft", 1.0), ("jawRight", -1.0)) if name in shapes]
    arm = jaw * (template[:, 2] - hinge[2])  # d x / d angle
    if not moved or not arm.any():
        return 0.0
    angle = float((arm * np.mean(moved, axis=0)).sum() / (arm**2).sum())
    return angle if SMALLEST_SIDE_RAD < angle < LARGEST_TURN_RAD else 0.0


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
    share[part] = smooth_step(harmonic(adjacency[part][:, part].tocsr(), fixed))
    return share


def regressor(template: np.ndarray, rigging: Rigging) -> np.ndarray:
    """Rows [5, V] that give each joint from vertices that belong to it."""
    rows = np.zeros((5, len(template)))
    for joint, place in enumerate(rigging.joints):
        if joint in (LEFT_EYE, RIGHT_EYE):
            members = np.flatnonzero(rigging.weights[:, joint] > 0.999)
        if joint not in (LEFT_EYE, RIGHT_EYE) or not len(members):
            distance = np.linalg.norm(template - place, axis=1)
            enough = np.sort(distance)[: MEMBERS + 1].max()
            members = np.flatnonzero(distance <= max(REACH_M, enough))
        rows[joint, members] = affine_weights(template[members], place)
    return rows


def affine_weights(points: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Weights [n] with sum 1 whose mean of points [n, 3] is `place`, as even as possible."""
    rows = np.concatenate([points - place, np.ones((len(points), 1))], 1)  # [n, 4]
    even = np.full(len(points), 1.0 / len(points))
    missing = np.array([0.0, 0.0, 0.0, 1.0]) - rows.T @ even
    return even + rows @ np.linalg.lstsq(rows.T @ rows, missing, rcond=None)[0]  # flat parts have no unique answer


def moving_fields(template: np.ndarray, rigging: Rigging, owned: Owned) -> dict:
    """The fields of HeadArrays that say how a head moves."""
    count = len(owned.expression_names)
    return {
        "expressiondirs": owned.expressiondirs.astype(np.float32),
        "posedirs": owned.posedirs.astype(np.float32),
        "J_regressor": regressor(template, rigging).astype(np.float32),
        "weights": rigging.weights.astype(np.float32),
        "eyelid_vertices": owned.eyelid_vertices,
        "eyelid_dirs": owned.eyelid_dirs.astype(np.float32),
        "expression_names": owned.expression_names,
        "expression_bounds": np.tile(np.float32([0, 1]), (count, 1)),
        "expression_sd": everyday_sd(owned.expression_names).astype(np.float32),
        "jaw_open_rad": rigging.jaw_open_rad,
        "jaw_side_rad": rigging.jaw_side_rad,
        "look_rad": rigging.look_rad.astype(np.float32),
        "arkit_map": owned.arkit_map,
    }
