"""Low-frequency light on skin: nine spherical harmonics, fitted to what is seen and taken out gently."""

from __future__ import annotations

import numpy as np

RIDGE = (1e-3, *(0.02,) * 3, *(0.06,) * 5)  # pull to an even light; higher bands are less sure


def harmonics(normals: np.ndarray) -> np.ndarray:
    """Unit normals [n, 3] -> [n, 9]: the real spherical harmonics up to band 2, each in [-1, 1] or so.

    Nine numbers hold 98 % of what a convex Lambertian surface shows (Ramamoorthi and Hanrahan 2001).
    """
    x, y, z = normals.T.astype(np.float32)
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], 1)


def fit_light(normals: np.ndarray, colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Linear colours [n, 3] on a surface of one albedo -> coefficients [9, 3], so that harmonics @ them is the shade.

    Reweighted three times, so that brows, stubble and highlights do not pass for light.
    """
    basis = harmonics(normals)
    ridge = np.diag(np.array(RIDGE) * weights.sum())
    grey = colours.mean(1)
    trust = weights.copy()
    for _ in range(3):
        weighted = basis * trust[:, None]
        light = np.linalg.solve(basis.T @ weighted + ridge, weighted.T @ colours)
        error = np.abs(grey - (basis @ light).mean(1)) / max(float(np.average(grey, weights=weights)), 1e-6)
        trust = weights / (1 + (error / 0.12) ** 2)
    return light


def gain(normals: np.ndarray, light: np.ndarray, *, strength: float = 0.7) -> np.ndarray:
    """[n, 1]: what to multiply linear colours by, so that their light is more even; one factor for all channels."""
    shade = (harmonics(normals) @ light).mean(1)
    level = max(float(light[0].mean()), 1e-6)
    return np.clip(np.maximum(shade / level, 0.05) ** -strength, 0.6, 1.8)[:, None].astype(np.float32)
