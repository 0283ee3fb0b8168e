"""The inner lips: which vertices meet, and shapes corrected so that lips that touch at rest keep touching.

The artist's shapes let closed lips part or cross by a few millimetres. A shape that is not meant to open the mouth
gets the smallest smooth offset that puts the inner lips back in touch. Being linear, the offsets of several such
shapes together, at any weights, keep the touch as well.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg

from flame_tools.surface.mesh_graph import edge_matrix
from tools.head.cut import Cut, edge_loop

CONTACT_RING = 520  # source vertex, upper lip on the midline; the ring through it is where the lips touch at rest
CORNER = 12  # place of the left corner of the mouth on the ring, counted from the upper midline
# Places on the left half of the ring: upper and lower vertices that face each other.
_FACING = ((11, 13), (10, 14), (8, 15), (6, 16), (4, 17), (2, 18), (0, 19))
# Rings of the lips, by their source vertices on the upper midline, from the skin to the inside.
_RINGS = (455, 466, 467, 509, 468, 474, 520, 537, 554)
_CENTRE = 0.6  # pairs nearer to the midline, as a share of half the mouth's width, touch at the ring exactly
_OVERLAP = 0.0004  # metres that closed lips sink into each other at the ring, so that no slit shows between vertices
_MOST_AMID, _MOST_ASIDE = 0.0002, 0.0012  # the most that closing the last light may add to the overlap
_LIGHT = -0.0002  # the opening (Lips.opening) that lets no light through
_ROUND = 0.45  # height of mouthFunnel's opening towards the corners, as a share of its height in the middle
_REACH = 0.035  # metres from the ring beyond which nothing moves
_STIFFNESS = 2e-3  # of staying put against bending; the offset fades over about five edges

# Shapes in which the mouth stays shut, and the share of the correction that the upper lip takes.
STAYS_SHUT = {
    "cheekPuff": 0.5, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5,
    "jawForward": 0.3, "jawLeft": 0.3, "jawRight": 0.3,
    "mouthClose": 0.3, "mouthDimpleLeft": 0.5, "mouthDimpleRight": 0.5, "mouthFrownLeft": 0.5, "mouthFrownRight": 0.5,
    "mouthLeft": 0.5, "mouthRight": 0.5, "mouthPressLeft": 0.5, "mouthPressRight": 0.5, "mouthPucker": 0.5,
    "mouthRollLower": 0.3, "mouthRollUpper": 0.7, "mouthShrugLower": 0.6, "mouthShrugUpper": 0.4,
    "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "mouthStretchLeft": 0.5, "mouthStretchRight": 0.5,
}  # fmt: skip

OPENS = (
    "jawOpen", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Lips:
    """The ring where the lips meet and how an offset of it spreads over the skin."""

    ring: np.ndarray  # [38] skin vertices, upper midline, left corner, lower midline, right corner
    pairs: np.ndarray  # [13, 2] upper and lower skin vertices, right corner to left corner
    spread: np.ndarray  # [Vs, 38] smooth offset of the skin from offsets of the ring
    grid: np.ndarray  # [9, 38] skin vertices of all rings of the lips, from the skin to the inside

    def gap(self, positions: np.ndarray) -> np.ndarray:
        """Height of the upper over the lower inner lip [13] in metres, of positions or of offsets [V, 3]."""
        return positions[self.pairs[:, 0], 1] - positions[self.pairs[:, 1], 1]

    def gap_places(self, template: np.ndarray) -> np.ndarray:
        """How far to the side each pair lies [13], as a share of the half width of the mouth."""
        across = template[self.pairs, 0].mean(1)
        return across / template[self.ring[CORNER], 0]

    def opening(self, positions: np.ndarray) -> np.ndarray:
        """Light between the lips [13] in metres about the pairs' places: the smallest height of the upper lip over
        the lower along the way in, the largest of the pair's and its neighbours'. Negative where the lips overlap.
        """
        upper_row = np.arange(-CORNER, CORNER + 1)
        upper = positions[self.grid[:, upper_row]]  # [9, 25, 3], right corner to left corner
        lower = positions[self.grid[:, np.arange(len(self.ring) - CORNER, CORNER - 1, -1)]]
        result = []
        for x in positions[self.ring[upper_row], 0]:
            top, bottom = _section(upper, x), _section(lower, x)
            depth = np.linspace(max(top[:, 1].min(), bottom[:, 1].min()), min(top[:, 1].max(), bottom[:, 1].max()), 60)
            result.append((_envelope(top, depth, min) - _envelope(bottom, depth, max)).min())
        beside = np.maximum(np.array(result), np.maximum(np.roll(result, 1), np.roll(result, -1)))
        column = {int(v): i for i, v in enumerate(self.ring[upper_row])}
        return np.array([beside[column[int(v)]] for v in self.pairs[:, 0]])

    def move(self, change: np.ndarray, upper_share: float | np.ndarray) -> np.ndarray:
        """Skin offsets [Vs, 3] that change the gap by `change` [13] metres, or [13, 3] for a change of all axes.

        The upper lip takes `upper_share` of it, the lower the rest, opposite.
        """
        vector = change if change.ndim == 2 else np.stack([0.0 * change, change, 0.0 * change], -1)
        wanted = np.full((len(self.spread), 3), np.nan)
        wanted[self.pairs[:, 0]] = upper_share * vector
        wanted[self.pairs[:, 1]] = (upper_share - 1.0) * vector
        on_ring = wanted[self.ring]
        for corner in (CORNER, len(self.ring) - CORNER):
            on_ring[corner] = 0.5 * (on_ring[corner - 1] + on_ring[corner + 1])
        for axis in range(3):  # vertices of the ring between pairs follow their neighbours
            known = np.isfinite(on_ring[:, axis])
            places = np.arange(len(self.ring))
            on_ring[:, axis] = np.interp(places, places[known], on_ring[known, axis], period=len(self.ring))
        return self.spread @ on_ring


def find_lips(cut: Cut, template: np.ndarray) -> Lips:
    """The contact ring of the cut and the operator that spreads its offsets."""
    ring = contact_ring(cut)
    left = np.array([[ring[upper], ring[lower]] for upper, lower in _FACING])
    pairs = np.concatenate([cut.mirror[left], left[-2::-1]])
    grid = np.stack([contact_ring(cut, vertex) for vertex in _RINGS])
    return Lips(ring, pairs, _spread(cut, template, ring), grid)


def _section(patch: np.ndarray, x: float) -> np.ndarray:
    """Where the rows [r, c, 3] of a lip cross the plane at `x`: heights and depths [r, 2]."""
    crossing = []
    for row in patch:
        order = np.argsort(row[:, 0], kind="stable")
        crossing.append([np.interp(x, row[order, 0], row[order, axis]) for axis in (1, 2)])
    return np.array(crossing)


def _envelope(line: np.ndarray, depth: np.ndarray, pick) -> np.ndarray:
    """Lowest (pick=min) or highest (max) height of a line [r, 2] of heights and depths at each depth [n]."""
    far = np.inf if pick is min else -np.inf
    heights = np.full(len(depth), far)
    for (h0, d0), (h1, d1) in itertools.pairwise(line):
        inside = (depth >= min(d0, d1)) & (depth <= max(d0, d1))
        if d1 != d0:
            at = h0 + (depth[inside] - d0) / (d1 - d0) * (h1 - h0)
            heights[inside] = np.minimum(heights[inside], at) if pick is min else np.maximum(heights[inside], at)
    return heights


def contact_ring(cut: Cut, source_vertex: int = CONTACT_RING) -> np.ndarray:
    """Skin vertices [38] round the mouth, from the upper midline to the subject's left and back along the right."""
    start = int(cut.skin_index(np.array([source_vertex]))[0])
    edges = np.stack([cut.quads, np.roll(cut.quads, -1, 1)], -1).reshape(-1, 2)
    beside = np.unique(np.concatenate([edges[edges[:, 0] == start, 1], edges[edges[:, 1] == start, 0]]))
    sideways = [int(v) for v in beside if cut.mirror[v] != v]
    left = max(sideways, key=lambda v: int(cut.source[v]))  # the source numbers its left half after its right
    return edge_loop(cut.quads, start, left)


def _spread(cut: Cut, template: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """The stiffest offset of the skin [Vs, 38] that takes given values on the ring and vanishes far from it."""
    skin = template[: len(cut.source)]
    distance = np.linalg.norm(skin[:, None] - skin[ring], axis=-1).min(1)
    free = np.setdiff1d(np.flatnonzero(distance < _REACH), ring)
    adjacency = edge_matrix(cut.faces, len(cut.source))
    laplacian = (
        sp.identity(len(cut.source)) - sp.diags(1.0 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency
    ).tocsr()
    energy = (laplacian.T @ laplacian + _STIFFNESS * sp.identity(len(cut.source))).tocsr()
    spread = np.zeros((len(cut.source), len(ring)))
    spread[ring] = np.eye(len(ring))
    spread[free] = scipy.sparse.linalg.spsolve(energy[free][:, free].tocsc(), -energy[free][:, ring].toarray())
    place = {int(v): i for i, v in enumerate(ring)}
    swap = np.array([place[int(cut.mirror[v])] for v in ring])
    return 0.5 * (spread + spread[cut.mirror][:, swap])


def shut(lips: Lips, offsets: np.ndarray, upper_share: float = 0.5) -> np.ndarray:
    """Offsets [V, 3] corrected so that they change no gap."""
    corrected = offsets.copy()
    corrected[: len(lips.spread)] += lips.move(-lips.gap(offsets), upper_share)
    return corrected


def uncross(lips: Lips, offsets: np.ndarray) -> np.ndarray:
    """Offsets [V, 3] of a shape that opens the mouth, corrected so that no part of the lips crosses."""
    corrected = offsets.copy()
    corrected[: len(lips.spread)] += lips.move(np.maximum(-lips.gap(offsets), 0.0), 0.5)
    return corrected


def round_off(lips: Lips, template: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Offsets [V, 3] of a shape that opens the middle of the mouth, opened towards the corners along a parabola too."""
    corrected = offsets.copy()
    gap = lips.gap(offsets)
    wanted = _ROUND * gap[len(gap) // 2] * (1.0 - lips.gap_places(template) ** 2)
    corrected[: len(lips.spread)] += lips.move(np.maximum(wanted - gap, 0.0), 0.5)
    return corrected


def seal_sides(lips: Lips, template: np.ndarray, offsets: np.ndarray, upper_share: float = 0.5) -> np.ndarray:
    """Offsets [V, 3] corrected so that no light is left, above all to the sides, where lips touch in front of the ring.

    Near the midline the gap at the ring is the measure, and is changed by 0.2 mm at most.
    """
    corrected = offsets.copy()
    most = np.where(np.abs(lips.gap_places(template)) > _CENTRE, _MOST_ASIDE, _MOST_AMID)
    most[[0, -1]] = 0.0  # next to the corners the lips are one
    for _ in range(6):
        room = most + lips.gap(template + corrected) + _OVERLAP
        light = np.clip(lips.opening(template + corrected) - _LIGHT, 0.0, np.maximum(room, 0.0))
        corrected[: len(lips.spread)] += lips.move(-light, upper_share)
    return corrected


def close_at_rest(lips: Lips, template: np.ndarray) -> np.ndarray:
    """The template [V, 3] with its inner lips in touch, overlapping a little."""
    touching = shut(lips, template)
    touching[: len(lips.spread)] += lips.move(np.full(len(lips.pairs), -_OVERLAP), 0.5)
    return template + seal_sides(lips, template, touching - template)


def keep_shut(lips: Lips, template: np.ndarray, shapes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The artist's shapes [V, 3] with those of STAYS_SHUT corrected; mouthClose is held shut over jawOpen."""
    result = {name: uncross(lips, offsets) if name in OPENS else offsets for name, offsets in shapes.items()}
    result["mouthFunnel"] = round_off(lips, template, result["mouthFunnel"])
    for name, share in STAYS_SHUT.items():
        if name == "mouthClose":
            both = shut(lips, result["jawOpen"] + shapes["mouthClose"], share)
            result[name] = seal_sides(lips, template, both, share) - result["jawOpen"]
        else:
            result[name] = seal_sides(lips, template, shut(lips, shapes[name], share), share)
    return result


def keep_identities_shut(lips: Lips, shapedirs: np.ndarray) -> np.ndarray:
    """Identity offsets [V, 3, S] under which the lips stay in touch."""
    return np.stack([shut(lips, shapedirs[..., i]) for i in range(shapedirs.shape[-1])], -1)
