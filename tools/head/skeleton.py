"""The five joints, their regressors and the skinning weights of the default head.

The jaw joint is the mean hinge axis of the mandible: the condyles slide forward as they turn, so that the axis lies a
little below and in front of the ear canals, where the artist's jawOpen turns too. Jaw weights are the share of that
rotation that each vertex follows in the artist's shape, smoothed over the surface. The neck joint lies where the
skull sits on the spine; its weights fall off harmonically down to the rim at the base of the neck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.spatial.transform import Rotation

from flame_tools.characters.rigging import affine_weights
from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.mesh_graph import edge_matrix, harmonic, smooth
from flame_tools.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT
from tools.head.cut import NOSE_TIP, Assembly, edge_loop, to_head_frame
from tools.head.source import mean_vertices

SKULL_LOOP = 787  # source vertex; the loop through it runs under the jaw and round the nape: the skull starts here
ROOT_AT = np.array([0.0, -0.143, -0.066])  # seventh cervical vertebra, mean head, head frame
NECK_AT = np.array([0.0, -0.030, -0.043])  # the skull on the atlas


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Joints of the mean head, and what follows them."""

    joints: np.ndarray  # [5, 3] metres
    regressor: np.ndarray  # [5, V], rows sum to 1
    weights: np.ndarray  # [V, 5], rows sum to 1
    jaw_open_rad: float  # the artist's jawOpen as a rotation


def build_skeleton(assembly: Assembly, template: np.ndarray) -> Skeleton:
    """Fit the joints to the artist's shapes and solve the weights."""
    angle, hinge = jaw_hinge(assembly)
    eyes = [sphere_centre(template[assembly.ranges[name]]) for name in ("left_eyeball", "right_eyeball")]
    joints = np.stack([ROOT_AT, NECK_AT, hinge, *eyes])
    return Skeleton(joints, _regressor(assembly, template, joints), _weights(assembly, template, angle, hinge), angle)


def jaw_hinge(assembly: Assembly) -> tuple[float, np.ndarray]:
    """Angle (radians, +x) and centre [3] of the rotation that moves the lower teeth in the artist's jawOpen."""
    source = assembly.source
    teeth = source.vertex_groups["helper-lower-teeth"]
    before = to_head_frame(source, mean_vertices(source))[teeth]
    after = before + source.face_unit("jawOpen")[teeth]
    turn, _ = Rotation.align_vectors(after - after.mean(0), before - before.mean(0))
    shift = after.mean(0) - turn.apply(before.mean(0))
    angle = float(turn.as_rotvec()[0])
    centre = np.linalg.solve((np.eye(3) - turn.as_matrix())[1:, 1:], shift[1:])
    return angle, np.array([0.0, *centre])


def _regressor(assembly: Assembly, template: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Rows [5, V] that give each joint from a few vertices that belong to it, symmetric under the mirror."""
    skin = assembly.ranges["skin"]
    rows = np.zeros((len(joints), len(template)))
    eyeballs = {LEFT_EYE: assembly.ranges["left_eyeball"], RIGHT_EYE: assembly.ranges["right_eyeball"]}
    for joint, place in enumerate(joints):
        if joint in eyeballs:
            members = np.arange(len(template))[eyeballs[joint]]
        else:
            reach = {ROOT: 0.085, NECK: 0.09, JAW: 0.075}[joint]
            near = np.linalg.norm(template[skin] - place, axis=1) < reach
            members = np.flatnonzero(near | near[assembly.mirror[skin]])
        rows[joint, members] = affine_weights(template[members], place)
        if joint not in eyeballs:
            rows[joint] = 0.5 * (rows[joint] + rows[joint, assembly.mirror])
    rows[RIGHT_EYE, assembly.mirror] = rows[LEFT_EYE]
    return rows


def _weights(assembly: Assembly, template: np.ndarray, angle: float, hinge: np.ndarray) -> np.ndarray:
    cut, skin = assembly.cut, assembly.ranges["skin"]
    adjacency = edge_matrix(cut.faces, len(cut.source))
    skull = _skull_weight(assembly, adjacency)
    turned = (Rotation.from_rotvec([angle, 0.0, 0.0]).as_matrix() - np.eye(3)) @ (template[skin] - hinge).T
    moved = assembly.offsets(assembly.source.face_unit("jawOpen"))[skin]
    share = (turned.T * moved).sum(1) / np.maximum((turned**2).sum(0), 1e-6)
    jaw = smooth(adjacency, np.clip(share, 0.0, 1.0), 2)
    jaw = 0.5 * (jaw + jaw[cut.mirror])
    jaw[jaw < 2e-3] = 0.0
    weights = np.zeros((len(template), 5))
    weights[skin, JAW] = jaw * skull
    weights[skin, NECK] = skull - weights[skin, JAW]
    weights[skin, ROOT] = 1.0 - skull
    for part in assembly.parts:
        weights[assembly.ranges[part.name]] = part.weights
    return weights


def _skull_weight(assembly: Assembly, adjacency: sp.csr_matrix) -> np.ndarray:
    """How far each skin vertex turns with the skull: 0 at the rim, 1 on the head, smooth in between."""
    cut = assembly.cut
    local = {int(v): i for i, v in enumerate(cut.source)}
    start = local[SKULL_LOOP]
    neighbours = adjacency[start].indices
    quads_edges = {frozenset((int(a), int(b))) for q in cut.quads for a, b in zip(q, np.roll(q, -1), strict=True)}
    along = [n for n in neighbours if frozenset((start, int(n))) in quads_edges and cut.mirror[n] != n]
    loop = edge_loop(cut.quads, start, int(min(along)))
    above = side_of(adjacency, loop, local[NOSE_TIP])
    fixed = {int(v): 0.0 for v in cut.rim} | {int(v): 1.0 for v in np.flatnonzero(above)} | {int(v): 1.0 for v in loop}
    h = np.clip(harmonic(adjacency, fixed), 0.0, 1.0)
    h = h * h * (3.0 - 2.0 * h)
    return 0.5 * (h + h[cut.mirror])


def side_of(adjacency: sp.csr_matrix, loop: np.ndarray, seed: int) -> np.ndarray:
    """Mask of the vertices connected to the seed without crossing the loop."""
    open_ = np.ones(adjacency.shape[0], bool)
    open_[loop] = False
    inside = np.flatnonzero(open_)
    _, labels = sp.csgraph.connected_components(adjacency[inside][:, inside], directed=False)
    mask = np.zeros(adjacency.shape[0], bool)
    mask[inside[labels == labels[np.searchsorted(inside, seed)]]] = True
    return mask
