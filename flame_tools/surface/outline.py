"""What lies inside an outline."""

from __future__ import annotations

import numpy as np


def within(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Mask [n] of points [n, 2] inside a polygon [k, 2]: a ray from there crosses it an odd number of times."""
    x, y = points.T
    crossings = np.zeros(len(points), int)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, 0), strict=True):
        spans = (y0 > y) != (y1 > y)  # edges that a ray towards +x may cross
        crossings += spans & (x < x0 + (x1 - x0) * (y - y0) / (y1 - y0 if y1 != y0 else 1.0))
    return crossings % 2 == 1
