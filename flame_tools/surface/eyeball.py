"""The sizes of people's eyes, and the sphere that an eyeball's vertices lie on."""

from __future__ import annotations

import numpy as np

IRIS_RADIUS_M = 0.00585  # the visible iris is 11.7 +- 0.5 mm across in adults (Ruefer et al. 2005)
PUPIL_RADIUS_M = 0.0019


def sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre [3] and radius of the sphere through points [n, 3] (least squares)."""
    found = _solved(points)
    return found[:3], float(np.sqrt(found[3] + found[:3] @ found[:3]))


def sphere_centre(points: np.ndarray) -> np.ndarray:
    """Its centre [3] alone."""
    return _solved(points)[:3]


def _solved(points: np.ndarray) -> np.ndarray:
    """[4] the centre c and r^2 - c.c, in which |p|^2 = 2 c.p + (r^2 - c.c) is linear."""
    rows = np.concatenate([2.0 * points, np.ones((len(points), 1))], 1)
    return np.linalg.lstsq(rows, (points**2).sum(1), rcond=None)[0]
