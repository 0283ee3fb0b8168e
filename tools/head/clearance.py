"""Keeps lips and cheeks off the teeth: shapes in which the skin would sink into a row are laid onto it.

The skin slides over rigid teeth; the sculpted shapes know nothing of them. A row is seen as the hull of its crowns
along the dental arch, up to the gums' margin; the least bending of the skin that carries the vertices inside it out is
added to the shape.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from tools.head.bending import least_bending
from tools.head.cut import Assembly, to_head_frame
from tools.head.mouth import MM, mouth_origin
from tools.head.skeleton import JAW, Skeleton
from tools.head.source import mean_vertices
from tools.head.teeth import LOWER, UPPER, Row

GAP_MM = 0.4  # skin is carried this far off the crowns
_REACH_MM = 16.0  # skin farther than this from a touched vertex stays
_DEEP_MM = 7.0  # skin deeper than this inside the arch belongs to the floor or the roof of the mouth
_ROUNDS = 5


def clear_teeth(
    assembly: Assembly, template: np.ndarray, shapes: dict[str, np.ndarray], skeleton: Skeleton, side_rad: float
) -> dict[str, np.ndarray]:
    """The shapes [V, 3] at weight 1 with the skin off the teeth (metres); shapes that stay clear are returned as is.

    mouthClose is judged together with jawOpen, as it is meant.
    """
    skin = assembly.ranges["skin"]
    origin = _origin(assembly, template)
    result = dict(shapes)
    for name, offsets in shapes.items():
        if not name.startswith(("jaw", "mouth", "cheek", "noseSneer")):
            continue
        rotation, shift = _jaw_motion(name, shapes, assembly, skeleton, side_rad)
        base = result["jawOpen"] if name == "mouthClose" else 0.0
        pushed = _push(assembly, (template + offsets + base)[skin], origin, rotation, shift)
        if pushed is not None:
            result[name] = offsets.copy()
            result[name][skin] += pushed
    return result


def depth_in_row(row: Row, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How deep points [n, 3] (mm, the row's frame at rest) lie inside the crowns' hull, mm (negative outside), and the
    directions [n, 3] that lead out to the lip side."""
    along = np.linspace(0.0, sum(tooth.width for tooth in row.teeth), 400)
    arch, outward = row.place(along)
    left = np.abs(points[:, :1]) * [1.0, 0.0, 0.0] + points * [0.0, 1.0, 1.0]
    nearest = np.linalg.norm(left[:, None, [0, 2]] - arch[None, :, [0, 2]], axis=-1).argmin(1)
    s, normal = along[nearest], outward[nearest]
    out = ((left - arch[nearest]) * normal).sum(1)
    down = (arch[nearest, 1] - left[:, 1]) * row.sign  # from the biting edge towards the root
    hull = np.interp(s, row.centres, [tooth.labial + tooth.out for tooth in row.teeth])
    hull = hull - np.sin(row.lean_at(s)) * down - 0.6 * np.clip(1.5 - down, 0.0, 1.5)
    height = np.interp(s, row.centres, [tooth.height + tooth.lift for tooth in row.teeth])
    ends = (nearest < len(along) - 1) | (np.linalg.norm(left - arch[-1], axis=1) < 4.0)
    touched = (down > 0.0) & (down < height + 1.0) & (out > hull - _DEEP_MM) & ends
    normal = normal * np.where(points[:, :1] < 0.0, [[-1.0, 1.0, 1.0]], [[1.0, 1.0, 1.0]])
    return np.where(touched, hull - out, -np.inf), normal


def _push(assembly: Assembly, skin: np.ndarray, origin, rotation, shift) -> np.ndarray | None:
    """Offsets [Vs, 3] that carry posed skin out of both rows, or None where it is out already."""
    near = np.linalg.norm(skin - (origin - [0.0, 0.0, 0.025]), axis=1) < 0.06
    corners = assembly.cut.faces[near[assembly.cut.faces].all(1)]
    edges = np.unique(np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    probes = np.concatenate([np.repeat(np.unique(corners)[:, None], 2, 1), edges])  # a vertex, or an edge's middle
    held: dict[int, np.ndarray] = {}
    offsets = np.zeros_like(skin)
    for _ in range(_ROUNDS):
        places = (skin + offsets)[probes].mean(1)
        wanted: dict[int, np.ndarray] = {}
        for row, turn, travel in ((UPPER, np.eye(3), np.zeros(3)), (LOWER, rotation, shift)):
            depth, out = depth_in_row(row, ((places - travel) @ turn - origin) / MM)
            for i in np.flatnonzero(depth > (0.05 - GAP_MM if held else 0.0)):
                step = (depth[i] + GAP_MM) * MM * (out[i] @ turn.T)
                for vertex in {int(v) for v in probes[i]}:
                    if np.linalg.norm(step) > np.linalg.norm(wanted.get(vertex, np.zeros(3))):
                        wanted[vertex] = step
        if not wanted:
            break
        held |= {vertex: offsets[vertex] + step for vertex, step in wanted.items()}
        offsets = least_bending(assembly, skin, held, _REACH_MM * MM)
    return offsets if held else None


def _jaw_motion(name: str, shapes, assembly: Assembly, skeleton: Skeleton, side_rad: float):
    """Rotation and shift that take the lower row from rest to where this shape carries it."""
    turns = {
        "jawOpen": [skeleton.jaw_open_rad, 0.0, 0.0],
        "mouthClose": [skeleton.jaw_open_rad, 0.0, 0.0],
        "jawLeft": [0.0, side_rad, 0.0],
        "jawRight": [0.0, -side_rad, 0.0],
    }
    rotation = Rotation.from_rotvec(turns.get(name, [0.0, 0.0, 0.0])).as_matrix()
    hinge = skeleton.joints[JAW]
    shift = hinge - rotation @ hinge
    if name == "jawForward":
        shift = shift + shapes[name][assembly.ranges["lower_teeth"]].mean(0)
    return rotation, shift


def _origin(assembly: Assembly, template: np.ndarray) -> np.ndarray:
    """The mouth frame's origin [3] in this template."""
    part = next(part for part in assembly.parts if part.name == "upper_teeth")
    moved = (template[assembly.ranges["upper_teeth"]] - part.vertices).mean(0)
    mean = to_head_frame(assembly.source, mean_vertices(assembly.source))
    return mouth_origin(mean) + moved
