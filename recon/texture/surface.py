"""Small geometry of surfaces in pictures."""

from __future__ import annotations

import numpy as np

from flame_tools.smooth import smooth_step

DARKNESS, HUE = (0.3, 0.6), (0.05, 0.1)  # between which a colour stops being skin: logarithm of its light, its hue


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals [V, 3], not of unit length."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    flat = np.concatenate([faces[:, k] for k in range(3)])
    return np.stack([np.bincount(flat, np.tile(normal[:, k], 3), len(vertices)) for k in range(3)], 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def unlike_skin(colours: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """Linear colours [n, 3] -> [n] in [0, 1]: how little they could be skin of this tone [3], in even light."""
    darkness = np.log((colours.mean(1) + 0.01) / (tone.mean() + 0.01))
    hue = colours / np.maximum(colours.sum(1, keepdims=True), 1e-4) - tone / tone.sum()
    return np.maximum(smooth_step(np.abs(darkness), *DARKNESS), smooth_step(np.linalg.norm(hue, axis=1), *HUE))
