"""A triangle mesh as a graph of vertices: neighbours, pieces, smoothing, harmonic fields, ways along the surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp


def edge_matrix(faces: np.ndarray, count: int) -> sp.csr_matrix:
    """Symmetric 0/1 adjacency [count, count] of triangles [F, 3]."""
    import scipy.sparse as sp

    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ones = np.ones(len(pairs))
    matrix = sp.csr_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    matrix = matrix + matrix.T
    matrix.data[:] = 1.0
    return matrix


def edge_lengths(vertices: np.ndarray, faces: np.ndarray) -> sp.csr_matrix:
    """Symmetric matrix [V, V] of the edges' lengths (metres), never zero on an edge."""
    graph = edge_matrix(faces, len(vertices)).tocoo()
    graph.data = np.maximum(np.linalg.norm(vertices[graph.row] - vertices[graph.col], axis=1), 1e-9)
    return graph.tocsr()


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """A third of the area of the triangles round each vertex [V], square metres."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return np.bincount(faces.ravel(), np.repeat(area / 3.0, 3), minlength=len(vertices))


def pieces(adjacency: sp.csr_matrix) -> np.ndarray:
    """The number [n] of the connected piece that each vertex belongs to."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(adjacency, directed=False)[1]


def smooth(adjacency: sp.csr_matrix, values: np.ndarray, steps: int, held: np.ndarray | None = None) -> np.ndarray:
    """Average with the neighbours `steps` times, half way each; vertices in the mask `held` stay."""
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1.0)
    shape = (-1,) + (1,) * (values.ndim - 1)
    for _ in range(steps):
        mean = (adjacency @ values) / degree.reshape(shape)
        new = 0.5 * (values + mean)
        values = new if held is None else np.where(held.reshape(shape), values, new)
    return values


def harmonic(adjacency: sp.csr_matrix, fixed: dict[int, float]) -> np.ndarray:
    """The smoothest values [n] on a graph that take the fixed ones."""
    import scipy.sparse as sp
    import scipy.sparse.linalg

    n = adjacency.shape[0]
    laplacian = (sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()
    known = np.array(sorted(fixed))
    values = np.zeros(n)
    values[known] = [fixed[i] for i in known]
    free = np.setdiff1d(np.arange(n), known)
    right = -laplacian[free][:, known] @ values[known]
    values[free] = scipy.sparse.linalg.spsolve(laplacian[free][:, free].tocsc(), right)
    return values


def reach(vertices: np.ndarray, faces: np.ndarray, seeds: np.ndarray, limit: float) -> np.ndarray:
    """Length [V] of the way along edges to the nearest of `seeds`; infinite beyond `limit` (metres)."""
    from scipy.sparse.csgraph import dijkstra

    lengths = edge_lengths(vertices, faces)
    return dijkstra(lengths, directed=False, indices=seeds, min_only=True, limit=limit)


def along_edges(vertices: np.ndarray, faces: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """The vertices of the shortest way along edges through `stops`."""
    from scipy.sparse.csgraph import dijkstra

    _, before = dijkstra(edge_lengths(vertices, faces), directed=False, indices=stops[:-1], return_predecessors=True)
    way = [int(stops[0])]
    for row, stop in zip(before, stops[1:], strict=True):
        leg = [int(stop)]
        while row[leg[-1]] >= 0:
            leg.append(int(row[leg[-1]]))
        way += leg[-2::-1]
    return np.array(way)


def enclosed(adjacency: sp.csr_matrix, border: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Mask [V] of a border and of what hangs together with `seeds` without crossing it."""
    free = np.ones(adjacency.shape[0], bool)
    free[border] = False
    inside = np.flatnonzero(free)
    labels = pieces(adjacency[inside][:, inside])
    mask = ~free
    mask[inside[np.isin(labels, labels[np.searchsorted(inside, seeds)])]] = True
    return mask


def open_edges(faces: np.ndarray) -> np.ndarray:
    """Edges [n, 2] that belong to one triangle only: the rims of the mesh."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    return unique[counts == 1]


def mirror_of(vertices: np.ndarray) -> np.ndarray:
    """The vertex [V] nearest to each one's image across the plane x = 0."""
    from scipy.spatial import cKDTree

    return cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])[1].astype(np.int32)
