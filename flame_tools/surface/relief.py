"""A head's relief, heights over its UV (`Appearance.detail`), as slopes and as a normal map.

Slopes are tangents along two axes on the surface at rest: the way of growing u, and at a right angle to it the way of
growing v. A normal map says the same in colours, as glTF has it: (-slope u, -slope v, 1), of length 1.
"""

from __future__ import annotations

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import HeadArrays

GRID = 96  # cells along the UV in which a texel's size is known
SMOOTH = 1.0  # cells over which it is averaged
NEARLY = 1000  # texels a side that a normal map has at least half of


def slopes_of(
    heights: np.ndarray,  # [h, w] metres along the normal, row 0 at v = 1
    head: HeadArrays,
    rest: np.ndarray,  # [V, 3] metres: the person at rest
) -> np.ndarray:  # [H, W, 2] float32, H and W a whole multiple of h and w
    """The slopes of a relief on a person, finer than the heights where those are coarse."""
    from scipy.ndimage import zoom

    heights = np.asarray(heights, np.float32)
    if heights.ndim != 2 or not len(head.uv):
        raise ShapeError(f"heights are {list(heights.shape)} on {len(head.uv)} UVs; wanted [h, w] on a head with UV")
    finer = max(1, round(NEARLY / max(heights.shape)))
    if finer > 1:
        heights = zoom(heights, finer, order=3, grid_mode=True, mode="nearest")
    rows, columns = heights.shape
    along, aslant, upwards = (
        zoom(part, (rows / GRID, columns / GRID), order=1, grid_mode=True, mode="nearest")
        for part in _stretch(head, rest)
    )
    down, across = np.gradient(heights)
    u, v = across * columns, -down * rows  # metres a unit of u and v
    return np.stack([u / along, (v - aslant * u) / upwards], -1).astype(np.float32)


def normal_map(slopes: np.ndarray) -> np.ndarray:
    """Slopes [H, W, 2] -> [H, W, 3] uint8: red along u, green along v, blue outwards."""
    normals = np.concatenate([-slopes, np.ones_like(slopes[..., :1])], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.rint((normals + 1) * 127.5).astype(np.uint8)


def tangents(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """[V, 4] float32: which way u grows at each of vertices [V, 3], unit; 1 where v grows to its left, else -1.

    Left as seen from outside: v grows along the cross of normal and tangent, times the last (glTF's TANGENT).
    """
    along, upwards = uv_ways(vertices, faces, uv, uv_faces)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    outward = np.cross(b - a, c - a)
    size = np.linalg.norm(outward, axis=1)
    handed = (np.cross(outward, along) * upwards).sum(1)
    rows = np.concatenate([along * size[:, None], (np.sign(handed) * size)[:, None]], 1)
    flat = faces.T.ravel()
    found = np.stack([np.bincount(flat, np.tile(rows[:, k], 3), len(vertices)) for k in range(4)], 1)
    long = np.linalg.norm(found[:, :3], axis=1, keepdims=True)
    found[:, :3] = np.where(long > 1e-12, found[:, :3] / np.maximum(long, 1e-12), [1.0, 0.0, 0.0])
    found[:, 3] = np.where(found[:, 3] < 0, -1, 1)
    return np.ascontiguousarray(found, np.float32)


def uv_ways(
    vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each triangle [F, 3] metres a unit of u, and of v: the ways in which they grow on vertices [V, 3]."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    u, v, w = (uv[uv_faces[:, k]].astype(np.float64) for k in range(3))
    (p, q), (r, s) = (v - u).T, (w - u).T
    area = p * s - q * r
    over = np.where(np.abs(area) > 1e-12, 1 / np.where(np.abs(area) > 1e-12, area, 1), 0)[:, None]
    return (s[:, None] * (b - a) - q[:, None] * (c - a)) * over, (p[:, None] * (c - a) - r[:, None] * (b - a)) * over


def _stretch(head: HeadArrays, rest: np.ndarray) -> tuple[np.ndarray, ...]:
    """[GRID, GRID] each: metres a unit of u; the share of u in a step of v; metres a unit of v at a right angle."""
    from scipy.ndimage import gaussian_filter

    along, upwards = uv_ways(rest, head.faces, head.uv, head.uv_faces)
    first, mixed, second = (along**2).sum(1), (along * upwards).sum(1), (upwards**2).sum(1)
    middle = head.uv[head.uv_faces].mean(1)
    column = np.clip((middle[:, 0] * GRID).astype(int), 0, GRID - 1)
    row = np.clip(((1 - middle[:, 1]) * GRID).astype(int), 0, GRID - 1)
    sums = np.zeros((4, GRID, GRID))
    for k, values in enumerate((first, mixed, second, np.ones(len(first)))):
        np.add.at(sums[k], (row, column), values * (first > 0))
    near, far = (gaussian_filter(sums, (0, s, s)) for s in (SMOOTH, 8 * SMOOTH))
    share = np.clip(near[3] / 0.05, 0, 1)
    mean = share * near[:3] / np.maximum(near[3], 1e-9) + (1 - share) * far[:3] / np.maximum(far[3], 1e-9)
    first, mixed, second = mean
    first = np.maximum(first, 1e-6)
    return np.sqrt(first), mixed / first, np.sqrt(np.maximum(second - mixed**2 / first, 1e-6))
