"""Normals of one topology at many shapes, in numpy: files need them for every frame and every target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SMALLEST_M = 1e-8  # a vertex that a target moves less is left out of its list
SMALLEST_TURN = 0.005  # the same for normals, as the length of their change


def normals_of(faces: np.ndarray, count: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from vertices [count, 3] to area-weighted unit normals [count, 3]; zero where no face touches."""
    from flame_tools.normals_numba import normals

    faces = np.ascontiguousarray(faces, np.int64)

    def normals_at(vertices: np.ndarray) -> np.ndarray:
        vertices = np.ascontiguousarray(vertices)
        out, lengths = np.empty_like(vertices), np.empty(count, vertices.dtype)
        normals(0, 1, vertices[None], faces, out[None], lengths[None])
        return out

    return normals_at


def base_and_turns(faces: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Unit normals [V, 3] of a base mesh, and how a target [V, 3] at weight 1 changes them, [V, 3].

    A vertex that no face touches has no direction; formats want a unit vector all the same, and it never turns.
    """
    normals_at = normals_of(faces, len(base))
    normals = normals_at(base)
    lost = np.linalg.norm(normals, axis=1) < 0.5
    normals[lost] = [0.0, 0.0, 1.0]

    def turn(target: np.ndarray) -> np.ndarray:
        change = normals_at(base + target) - normals
        change[lost] = 0
        return change

    return normals, turn
