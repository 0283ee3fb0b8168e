"""Small geometry of surfaces in pictures."""

from __future__ import annotations

import numpy as np

from flame_tools.types import Camera


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals [V, 3], not of unit length."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    flat = np.concatenate([faces[:, k] for k in range(3)])
    return np.stack([np.bincount(flat, np.tile(normal[:, k], 3), len(vertices)) for k in range(3)], 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def smooth_step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def camera_place(camera: Camera) -> np.ndarray:
    pose = np.asarray(camera.world_to_camera)
    return -pose[:3, :3].T @ pose[:3, 3]
