"""Nearest places on a triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Places:
    """Points on a mesh: triangle, barycentric weights and position of each."""

    faces: np.ndarray  # [L]
    barycentrics: np.ndarray  # [L, 3]
    points: np.ndarray  # [L, 3]


def nearest_on_mesh(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, allowed: np.ndarray, *, candidates: int = 60
) -> Places:
    """The nearest place of each point [L, 3] on the triangles `allowed` [n] (indices into faces)."""
    allowed = np.asarray(allowed)
    corners = vertices[faces[allowed]]
    count = min(candidates, len(allowed))
    _, near = cKDTree(corners.mean(1)).query(points, k=count)
    near = near.reshape(len(points), count)
    weights = closest_barycentrics(points[:, None], corners[near])
    found = np.einsum("lkc,lkcd->lkd", weights, corners[near])
    best = ((found - points[:, None]) ** 2).sum(-1).argmin(1)
    rows = np.arange(len(points))
    return Places(allowed[near[rows, best]], weights[rows, best], found[rows, best])


def closest_barycentrics(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Weights [..., 3] of the point of a triangle [..., 3, 3] that is nearest to a point [..., 3]."""
    points = np.broadcast_to(points, corners[..., 0, :].shape)
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    normal = np.cross(b - a, c - a)
    area2 = np.maximum((normal**2).sum(-1, keepdims=True), 1e-30)
    inside = np.stack(
        [
            (np.cross(c - b, points - b) * normal).sum(-1),
            (np.cross(a - c, points - c) * normal).sum(-1),
            (np.cross(b - a, points - a) * normal).sum(-1),
        ],
        -1,
    )
    inside = inside / area2
    best = np.where((inside >= 0.0).all(-1, keepdims=True), inside, np.nan)
    options = [best]
    for i, j in ((0, 1), (1, 2), (2, 0)):  # the three edges
        p, q = corners[..., i, :], corners[..., j, :]
        along = ((points - p) * (q - p)).sum(-1) / np.maximum(((q - p) ** 2).sum(-1), 1e-30)
        along = np.clip(along, 0.0, 1.0)
        weights = np.zeros(inside.shape)
        weights[..., i], weights[..., j] = 1.0 - along, along
        options.append(weights)
    stacked = np.stack(options)  # [4, ..., 3]
    distance = ((np.einsum("o...c,...cd->o...d", stacked, corners) - points) ** 2).sum(-1)
    choice = np.where(np.isnan(distance), np.inf, distance).argmin(0)
    return np.take_along_axis(stacked, choice[None, ..., None], 0)[0]
