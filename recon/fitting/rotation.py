"""Rotations of single faces and their derivatives, numpy float64; many at once turn in `flame_tools.rotations`."""

from __future__ import annotations

import math

import numpy as np


def rotation_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """[3] radians -> [3, 3] by Rodrigues' formula. In plain numbers: arrays of nine cost ten times as much."""
    x, y, z = map(float, axis_angle)
    square = x * x + y * y + z * z
    angle = math.sqrt(square)
    sine, cosine = (math.sin(angle) / angle, (1 - math.cos(angle)) / square) if angle > 1e-4 else _near_zero(square)
    c = 1 - cosine * square
    return np.array(
        [
            [c + cosine * x * x, cosine * x * y - sine * z, cosine * x * z + sine * y],
            [cosine * x * y + sine * z, c + cosine * y * y, cosine * y * z - sine * x],
            [cosine * x * z - sine * y, cosine * y * z + sine * x, c + cosine * z * z],
        ]
    )


def _near_zero(square: float) -> tuple[float, float]:
    """sin a / a and (1 - cos a) / a^2 of a small angle, by its square."""
    return 1 - square / 6, 0.5 - square / 24


def rotation_derivatives(axis_angle: np.ndarray) -> np.ndarray:
    """[3, 3, 3]: the derivative of `rotation_matrix` by each of the three entries, first index.

    d exp(r) / d r_k = [J e_k]x exp(r) with the left Jacobian J of SO(3) (Eq. 145 f., Sola et al. 2018).
    """
    x, y, z = map(float, axis_angle)
    square = x * x + y * y + z * z
    angle = math.sqrt(square)
    small = angle <= 1e-4
    a = _near_zero(square)[1] if small else (1 - math.cos(angle)) / square
    b = 1 / 6 - square / 120 if small else (1 - math.sin(angle) / angle) / square
    c = 1 - b * square
    # J = I + a [r]x + b [r]x^2, of which the columns are turned into matrices
    left = (
        (c + b * x * x, b * x * y + a * z, b * x * z - a * y),
        (b * x * y - a * z, c + b * y * y, b * y * z + a * x),
        (b * x * z + a * y, b * y * z - a * x, c + b * z * z),
    )
    crossed = np.array([[[0.0, -w, v], [w, 0.0, -u], [-v, u, 0.0]] for u, v, w in left])
    return crossed @ rotation_matrix(axis_angle)
