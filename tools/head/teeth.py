"""Teeth: two rows of fourteen, lofted from rings around each tooth's axis and set along a dental arch.

Millimetres in the mouth's frame: x to the subject's left, y up, z forward, origin where the lips touch on the midline.
Only the left half is built; `half_mesh.reflect` makes the other. Crown sizes are the averages of dental anatomy
(Nelson, Wheeler's Dental Anatomy, Physiology and Occlusion, table 1-1); upper canines and premolars are a millimetre
longer, so that the corners of a smile show crowns rather than gums.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from tools.head.half_mesh import Part, from_faces, join


@dataclass(frozen=True)
class Tooth:
    """One crown, in millimetres."""

    kind: str  # incisor, canine, premolar, molar
    width: float  # mesial to distal, at the contacts
    height: float  # neck to edge, on the cheek side
    labial: float  # from the arch line to the outermost of the lip or cheek side
    lingual: float  # from the arch line to the innermost of the tongue side, at the neck
    lift: float = 0.0  # edge above (shorter than) the row's biting curve
    turn: float = 0.0  # radians about the tooth's axis, mesial edge outwards
    out: float = 0.0  # shift away from the arch line


@dataclass(frozen=True)
class Row:
    """A row of teeth on its arch: a half ellipse, `reach` wide to each side and `depth` long."""

    teeth: tuple[Tooth, ...]  # left half, from the midline
    sign: float  # -1 where crowns point down (upper row), +1 up
    front: float  # z of the arch line on the midline
    reach: float
    depth: float
    edge: float  # y of the biting edge on the midline
    rise: float  # how much higher the biting curve lies per mm of depth
    lean: float  # radians by which the front crowns lean forward; fades out along the arch

    def place(self, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points [..., 3] on the arch at lengths `along` (mm) from the midline and outward normals [..., 3]."""
        angle = np.linspace(0.0, np.pi / 2, 2001)
        x, behind = self.reach * np.sin(angle), self.depth * (1.0 - np.cos(angle))
        length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(behind)))])
        at = np.interp(along, length, angle)
        at = np.where(along > length[-1], np.pi / 2, at)
        past = np.maximum(np.asarray(along) - length[-1], 0.0)
        behind = self.depth * (1.0 - np.cos(at)) + past
        point = np.stack([self.reach * np.sin(at), self.edge + self.rise * behind, self.front - behind], -1)
        outward = np.stack([self.depth * np.sin(at), np.zeros_like(at), self.reach * np.cos(at)], -1)
        return point, outward / np.linalg.norm(outward, axis=-1, keepdims=True)

    def lean_at(self, along: np.ndarray) -> np.ndarray:
        return self.lean * np.clip(1.0 - np.asarray(along) / 34.0, 0.0, 1.0)

    @property
    def centres(self) -> np.ndarray:
        """Lengths [7] along the arch at which the teeth stand."""
        widths = np.array([tooth.width for tooth in self.teeth])
        return np.cumsum(widths) - 0.5 * widths


UPPER = Row(
    (
        Tooth("incisor", 8.5, 10.4, 1.8, 4.9, turn=0.03, out=0.15),
        Tooth("incisor", 6.6, 9.0, 1.6, 4.4, lift=0.75, turn=-0.06, out=-0.15),
        Tooth("canine", 7.6, 10.8, 2.7, 5.0, lift=-0.1, turn=0.05, out=0.1),
        Tooth("premolar", 7.0, 9.6, 4.2, 4.4, lift=0.2),
        Tooth("premolar", 6.8, 8.8, 4.3, 4.5, lift=0.25, turn=0.04),
        Tooth("molar", 10.0, 7.2, 5.3, 5.6, lift=0.2),
        Tooth("molar", 9.0, 6.6, 5.0, 5.4, lift=0.4),
    ),
    sign=-1.0,
    front=-6.0,
    reach=25.5,
    depth=46.5,
    edge=-1.9,
    rise=0.055,
    lean=0.20,
)

LOWER = Row(
    (
        Tooth("incisor", 5.3, 8.8, 1.4, 4.2, turn=0.05, out=-0.1),
        Tooth("incisor", 5.8, 9.0, 1.4, 4.4, lift=0.1, turn=-0.07, out=0.12),
        Tooth("canine", 6.8, 10.4, 2.4, 4.8, lift=-0.25, turn=0.06),
        Tooth("premolar", 7.0, 8.4, 3.7, 3.9, lift=0.35),
        Tooth("premolar", 7.1, 7.9, 3.9, 4.2, lift=0.55, turn=-0.04),
        Tooth("molar", 11.0, 7.3, 4.8, 5.0, lift=0.75),
        Tooth("molar", 10.3, 6.8, 4.6, 4.9, lift=0.75),
    ),
    sign=1.0,
    front=-8.9,
    reach=24.0,
    depth=44.0,
    edge=-1.0,
    rise=0.055,
    lean=0.25,
)

# Outlines seen along the axis: (across, side) per ring point, from mesial round the lip side to distal and back along
# the tongue side. across in half widths (-1 mesial), side +1 lip .. 0 contact .. -1 tongue.
_FRONT = np.array(
    [[-1, 0.32], [-0.85, 0.86], [-0.34, 1], [0.34, 1], [0.85, 0.86], [1, 0.32], [0.58, -0.8], [0, -1], [-0.58, -0.8]]
)
_BACK = np.array([[-1, 0], [-0.74, 0.84], [0, 1], [0.74, 0.84], [1, 0], [0.68, -0.86], [0, -1], [-0.68, -0.86]])

# Rings from root to edge: height (0 neck, 1 edge), width, labial in mm from the tooth's own, lingual as a share.
_RINGS = {
    "incisor": (
        (-0.10, 0.82, -0.55, 0.98),
        (0.30, 0.97, -0.02, 0.86),
        (0.66, 1.015, -0.05, 0.40),
        (0.90, 1.0, -0.28, 0.07),
        (0.985, 0.92, -0.55, -0.04),
    ),
    "canine": (
        (-0.10, 0.86, -0.60, 0.98),
        (0.30, 0.965, -0.05, 0.90),
        (0.64, 1.02, 0.0, 0.52),
        (0.86, 0.82, -0.55, 0.16),
        (0.98, 0.34, -1.35, -0.02),
    ),
    "premolar": (
        (-0.10, 0.88, -0.60, 0.90),
        (0.38, 0.97, 0.0, 1.00),
        (0.72, 1.00, -0.35, 0.96),
        (0.97, 0.84, -1.25, 0.70),
    ),
    "molar": (
        (-0.12, 0.86, -0.50, 0.90),
        (0.52, 1.00, 0.0, 1.00),
        (0.97, 0.90, -1.30, 0.78),
    ),
}


def build_row(row: Row) -> tuple[Part, list[slice]]:
    """The left half of a row and the vertices of each of its teeth."""
    parts = [_tooth(row, index) for index in range(len(row.teeth))]
    ends = np.cumsum([0] + [len(part.vertices) for part in parts])
    return join(parts), [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]


def frame(row: Row, along: float, turn: float = 0.0) -> np.ndarray:
    """Axes at a place on the arch, as rows: distal, outward, towards the biting edge (the crown's own lean in it)."""
    _, outward = row.place(np.asarray(along))
    distal = np.cross(outward, [0.0, 1.0, 0.0])
    if distal[2] > 0 or (abs(distal[2]) < 1e-9 and distal[0] < 0):
        distal = -distal
    distal, outward = distal * np.cos(turn) - outward * np.sin(turn), outward * np.cos(turn) + distal * np.sin(turn)
    axis, lean = np.array([0.0, row.sign, 0.0]), float(row.lean_at(along))
    crown = axis * np.cos(lean) + outward * np.sin(lean)
    return np.stack([distal, outward * np.cos(lean) - axis * np.sin(lean), crown])


def _tooth(row: Row, index: int) -> Part:
    tooth, along = row.teeth[index], row.centres[index]
    outline = _FRONT if tooth.kind in ("incisor", "canine") else _BACK
    across, side = outline.T
    rings = []
    for height, width, labial, lingual in _RINGS[tooth.kind]:
        lip, tongue = tooth.labial + labial, -tooth.lingual * lingual
        middle = 0.42 * lip + 0.58 * tongue if outline is _FRONT else 0.5 * (lip + tongue)
        out = np.where(side > 0, middle + (lip - middle) * side, middle + (tongue - middle) * -side)
        rings.append(
            np.stack([across * width * 0.5 * tooth.width, out, np.full(len(across), height * tooth.height)], -1)
        )
    points = np.stack(rings)  # [rings, points, 3]: distal, outward, height from the neck
    _shape_edge(tooth, points, across, side)
    top = points[-1].mean(0)
    if outline is _BACK:  # a fissure ring inside the cusps
        inner = top + (points[-1] - top) * [0.62, 0.50, 0.0]
        inner[:, 2] = tooth.height * 0.97 - np.where(np.abs(side) > 0.5, 1.5, 1.3)
        points = np.concatenate([points, inner[None]])
        top = inner.mean(0) - [0.0, 0.0, 0.5]
    local = np.concatenate([points.reshape(-1, 3), top[None]])
    axes = frame(row, along, tooth.turn)
    origin, outward = row.place(np.asarray(along))
    local[:, 2] -= tooth.height + tooth.lift  # the edge lies on the biting curve
    vertices = origin + outward * tooth.out + local @ axes
    count, levels = len(outline), len(points)
    faces = []
    for level in range(levels - 1):
        for i in range(count):
            a, b = level * count + i, level * count + (i + 1) % count
            faces += [[a, b, b + count], [a, b + count, a + count]]
    last = (levels - 1) * count
    faces += [[last + i, last + (i + 1) % count, len(vertices) - 1] for i in range(count)]
    # Texture: the crown seen along its axis, a disc in the tooth's own cell of 4 x 2 (the right half mirrors them).
    radius = np.append(np.repeat(0.47 * (1.0 - np.arange(levels) / levels), count), 0.0)
    angle = np.append(np.tile(np.arctan2(side, across), levels), 0.0)
    disc = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    uv = np.stack([0.5 + (disc[:, 0] + index % 4) / 8.0, (disc[:, 1] + index // 4) / 2.0], -1)
    if row.sign > 0:
        faces = [face[::-1] for face in faces]
    return from_faces(vertices, _outwards(vertices, faces), uv)


def _shape_edge(tooth: Tooth, points: np.ndarray, across: np.ndarray, side: np.ndarray) -> None:
    """Give the upper rings their corners, points and cusps (heights in place)."""
    reach = np.abs(across)
    if tooth.kind == "incisor":  # rounded corners, the distal one more
        points[-1, :, 2] -= np.where(across > 0, 0.75, 0.4) * reach**3
        points[-1, :, 2] += 0.12
        points[-2, :, 2] -= np.where(across > 0, 0.35, 0.1) * reach**3
    elif tooth.kind == "canine":  # one point, its distal slope longer
        points[-1, :, 2] -= 0.35 * reach
        points[-2, :, 2] -= np.where(across > 0, 1.5, 1.0) * reach
        points[-3, :, 2] -= np.where(across > 0, 0.5, 0.2) * reach
    elif tooth.kind == "premolar":  # two cusps, the tongue side lower
        points[-1, :, 2] -= 1.15 * reach**1.5 + np.where(side < -0.5, 0.7, 0.0)
        points[-2, :, 2] -= 0.5 * reach**1.5
    else:  # four cusps with a groove between them
        points[-1, :, 2] -= np.where(reach < 0.1, 0.75, 0.0) + np.where(reach > 0.9, 0.9, 0.0)
    # The neck's line arches towards the root on both faces and towards the edge at the contacts.
    points[0, :, 2] += 1.2 * reach**2


def _outwards(vertices: np.ndarray, faces: list) -> list:
    """The faces, turned round if the tooth's wall looks inwards."""
    triangles = np.array(faces)
    corners = vertices[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = (normal * (corners.mean(1) - vertices.mean(0))).sum()
    return triangles.tolist() if outward > 0 else triangles[:, ::-1].tolist()
