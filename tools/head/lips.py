"""The inner lips: which vertices meet, and shapes corrected so that they seal where they must."""

from __future__ import annotations

import numpy as np

from tools.head.cut import Cut, edge_loop

CONTACT_RING = 520  # source vertex, upper lip on the midline; the ring through it is where the lips touch at rest
# Places on the left half of the ring, counted from the upper midline: upper and lower vertices that face each other.
_FACING = ((11, 13), (10, 14), (8, 15), (6, 16), (4, 17), (2, 18), (0, 19))


def contact_ring(cut: Cut, source_vertex: int = CONTACT_RING) -> np.ndarray:
    """Skin vertices [38] round the mouth, from the upper midline to the subject's left and back along the right."""
    start = int(cut.skin_index(np.array([source_vertex]))[0])
    edges = np.concatenate([np.stack([cut.quads, np.roll(cut.quads, -1, 1)], -1)]).reshape(-1, 2)
    beside = np.unique(np.concatenate([edges[edges[:, 0] == start, 1], edges[edges[:, 1] == start, 0]]))
    sideways = [int(v) for v in beside if cut.mirror[v] != v]
    left = max(sideways, key=lambda v: int(cut.source[v]))  # the source numbers its left half after its right
    return edge_loop(cut.quads, start, left)


def inner_lip_pairs(cut: Cut) -> np.ndarray:
    """[13, 2] upper and lower vertices of the inner lips, right corner to left corner."""
    ring = contact_ring(cut)
    left = np.array([[ring[upper], ring[lower]] for upper, lower in _FACING])
    return np.concatenate([cut.mirror[left], left[-2::-1]])
