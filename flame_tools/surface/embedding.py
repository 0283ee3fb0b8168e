"""Points of one mesh found again on another: landmarks that outlive a change of topology.

Both meshes are given in the same few poses, and a point goes to the place that is nearest in all of them together:
closed lips touch at rest, but an open jaw tells the upper from the lower.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flame_tools.types import Embedding

CANDIDATES = 40  # triangles that are measured exactly, by the distance of their centres


def at_vertices(faces: np.ndarray, vertices: np.ndarray) -> Embedding:
    """Vertices [n] as places on a mesh: each a corner of its first face (a vertex without a face gets another's)."""
    flat = faces.ravel()
    order = np.argsort(flat, kind="stable")
    first = order[np.minimum(np.searchsorted(flat[order], vertices), len(flat) - 1)]
    return Embedding(first // 3, np.eye(3)[first % 3])


def carry(
    poses: np.ndarray,  # [P, V, 3] of the mesh that the points are on
    faces: np.ndarray,  # [F, 3]
    new_poses: np.ndarray,  # [P, W, 3] of the other mesh, in the same poses
    new_faces: np.ndarray,  # [G, 3]
) -> Callable[[Embedding], Embedding]:
    """A function that takes embeddings [...] on the first mesh to the nearest places on the second."""
    from scipy.spatial import cKDTree

    own, other = _stacked(poses), _stacked(new_poses)
    corners = other[new_faces]  # [G, 3, 3 P]
    tree = cKDTree(corners.mean(1))

    def carried(embedding: Embedding) -> Embedding:
        shape = embedding.faces.shape
        weights = embedding.barycentrics.reshape(-1, 3)
        points = np.einsum("lc,lcd->ld", weights, own[faces[embedding.faces.ravel()]])
        _, near = tree.query(points, k=min(CANDIDATES, len(corners)))
        near = near.reshape(len(points), -1)
        options = closest_barycentrics(points[:, None], corners[near])
        distance = ((np.einsum("lkc,lkcd->lkd", options, corners[near]) - points[:, None]) ** 2).sum(-1)
        best = distance.argmin(1)
        rows = np.arange(len(points))
        return Embedding(
            near[rows, best].reshape(shape).astype(np.int32),
            options[rows, best].reshape(*shape, 3).astype(np.float32),
            embedding.index,
        )

    return carried


def _stacked(poses: np.ndarray) -> np.ndarray:  # [V, 3 P]
    poses = np.asarray(poses, np.float64)
    return poses.transpose(1, 0, 2).reshape(poses.shape[1], -1)


def closest_barycentrics(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Weights [..., 3] of the point of a triangle [..., 3, D] nearest to a point [..., D], in any dimension.

    The foot of the perpendicular where it lies inside, else the best of the three sides.
    """
    a, b, c = (corners[..., i, :] for i in range(3))
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    area = np.maximum(d00 * d11 - d01**2, 1e-30)
    v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    inside = np.stack([1.0 - v - w, v, w], -1)
    options, distances = [], []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        p, q = corners[..., i, :], corners[..., j, :]
        along = ((points - p) * (q - p)).sum(-1) / np.maximum(((q - p) ** 2).sum(-1), 1e-30)
        along = np.clip(along, 0.0, 1.0)
        weights = np.zeros(inside.shape)
        weights[..., i], weights[..., j] = 1.0 - along, along
        options.append(weights)
        distances.append(((p + along[..., None] * (q - p) - points) ** 2).sum(-1))
    side = np.take_along_axis(np.stack(options), np.argmin(distances, 0)[None, ..., None], 0)[0]
    return np.where((inside >= 0.0).all(-1, keepdims=True), inside, side)
