"""Questions about the head's mesh that need no geometry: neighbours, what a ring encloses, walking distance."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components, dijkstra

from tools.head.cut import NOSE_TIP, Cut
from tools.head.lips import contact_ring


def edges(faces: np.ndarray) -> np.ndarray:
    """Undirected edges [E, 2] of triangles or quads [F, k], smaller index first, each once."""
    pairs = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2)
    return np.unique(np.sort(pairs, 1), axis=0)


def graph(faces: np.ndarray, positions: np.ndarray) -> sp.csr_matrix:
    """Symmetric [V, V] matrix of edge lengths in metres."""
    pairs = edges(faces)
    length = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    length = np.maximum(length, 1e-9)  # a sparse zero would cut the edge
    matrix = sp.coo_matrix((length, (pairs[:, 0], pairs[:, 1])), shape=(len(positions),) * 2)
    return (matrix + matrix.T).tocsr()


def walk(faces: np.ndarray, positions: np.ndarray, start: np.ndarray, limit: float = np.inf) -> np.ndarray:
    """Length of the shortest walk along edges from any of `start` [V], metres; inf beyond `limit`."""
    return dijkstra(graph(faces, positions), indices=start, min_only=True, limit=limit)


def enclosed(faces: np.ndarray, count: int, ring: np.ndarray, outside: int) -> np.ndarray:
    """Vertices [n] that every walk from vertex `outside` reaches only across the ring (the ring itself left out)."""
    pairs = edges(faces)
    pairs = pairs[~np.isin(pairs, ring).any(1)]
    matrix = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, label = connected_components(matrix, directed=False)
    inside = label != label[outside]
    inside[ring] = False
    return np.flatnonzero(inside)


def mouth_bag(cut: Cut) -> np.ndarray:
    """Skin vertices [n] inside the mouth, behind the ring where the lips meet."""
    return enclosed(cut.quads, len(cut.source), contact_ring(cut), int(cut.skin_index(np.array([NOSE_TIP]))[0]))
