"""The edge loops of the source mesh round the left eye: the grid on which lids are fitted, closed and moved.

Every loop has 28 vertices, one per column. Column MEDIAL ends at the nasal corner and LATERAL at the temporal one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.head.cut import Cut, edge_loop
from tools.head.source import Source

BACK_EDGE = (7774, 7773)  # two neighbours on the loop where the lid's margin meets the conjunctiva
FRONT_SEED = 7748  # the vertex beside 7774 towards the skin
COLUMNS = 28
LATERAL, MEDIAL = 9, 21
UPPER = np.array([21, 22, 23, 24, 25, 26, 27, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])  # nasal corner to temporal corner
LOWER = np.array([21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9])
SKIN_LOOPS, INNER_LOOPS = 11, 5


@dataclass(frozen=True, eq=False)
class LidRings:
    """Skin indices (of the cut) round the left eye."""

    skin: np.ndarray  # [11, 28] loop 0 touches the eyeball, 0..2 are the lid's margin, 3 its front edge, then skin
    inner: np.ndarray  # [5, 28] conjunctiva, from behind the margin inwards
    bag: np.ndarray  # [b] every vertex behind the margin, `inner` among them


def trace_rings(source: Source, cut: Cut) -> LidRings:
    """Find the loops by walking the quads."""
    local = np.full(len(source.vertices), -1)
    local[cut.source] = np.arange(len(cut.source))
    back = edge_loop(cut.quads, *(int(local[v]) for v in BACK_EDGE))
    steps = _strip_steps(cut.quads)
    front = _next_loop(steps, back, through=int(local[FRONT_SEED]))
    outward, inward = [back, front], [front, back]
    while len(outward) < SKIN_LOOPS:
        outward.append(_next_loop(steps, outward[-1], behind=outward[-2]))
    while len(inward) < INNER_LOOPS + 2:
        inward.append(_next_loop(steps, inward[-1], behind=inward[-2]))
    return LidRings(np.array(outward), np.array(inward[2:]), _flood(cut.quads, back, int(inward[2][0])))


def _strip_steps(quads: np.ndarray) -> dict[tuple[int, int], list[dict[int, int]]]:
    """For an edge (a, b), one way across per quad that has it: {a: the vertex next to a, b: the one next to b}."""
    steps: dict[tuple[int, int], list[dict[int, int]]] = {}
    for quad in quads.tolist():
        for i in range(4):
            before, a, b, after = quad[i - 1], quad[i], quad[(i + 1) % 4], quad[(i + 2) % 4]
            steps.setdefault((min(a, b), max(a, b)), []).append({a: before, b: after})
    return steps


def _next_loop(
    steps: dict, loop: np.ndarray, *, through: int | None = None, behind: np.ndarray | None = None
) -> np.ndarray:
    """The loop beside `loop`, on the side of the vertex `through` or away from the loop `behind`."""
    barred = set() if behind is None else set(behind.tolist())
    result, wanted = [], through
    for a, b in zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True):
        ways = [way for way in steps[min(a, b), max(a, b)] if not barred & set(way.values())]
        if wanted is not None:
            ways = [way for way in ways if way[a] == wanted]
        if len(ways) != 1:
            raise ValueError(f"the loops round the eye end at the edge {a}, {b}")
        result.append(ways[0][a])
        wanted = ways[0][b]
    return np.array(result)


def _flood(quads: np.ndarray, barrier: np.ndarray, seed: int) -> np.ndarray:
    """Vertices that quads connect to the seed without crossing the barrier loop."""
    wall = np.zeros(quads.max() + 1, bool)
    wall[barrier] = True
    reached = np.zeros_like(wall)
    reached[seed] = True
    while True:
        touched = quads[(reached[quads] & ~wall[quads]).any(1)]
        grown = reached.copy()
        grown[touched] = True
        if np.array_equal(grown, reached):
            return np.flatnonzero(reached & ~wall)
        reached = grown
