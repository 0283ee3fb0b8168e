"""How near a fit comes to a made person, and whether it knew how near: distances, gains, correlation, coverage."""

from __future__ import annotations

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.surface.alignment import align
from flame_tools.surface.nearest import Surface

ROUNDS, LED_BY = 8, 3  # of the alignment by nearest points, and that every third point leads
Z68, Z95 = 0.99446, 1.95996  # standard deviations within which 68 % and 95 % of a normal variable lie


def surface_distance(
    points: np.ndarray,  # [n, 3] metres
    surface: Surface,
    places: np.ndarray,  # [n, 3] where on the surface each point should lie, about: the start
    *,
    kind: str = "similarity",  # or "rigid"
) -> np.ndarray:
    """[n] metres from points to a surface after the best alignment: by pairs first, then by nearest points."""
    leading = points[::LED_BY]
    place = align(leading, places[::LED_BY], kind=kind)
    for _ in range(ROUNDS):
        place = align(leading, surface.nearest(place(leading)).points, kind=kind)
    return surface.nearest(place(points)).distance


def gain(errors, errors_of_mean) -> float:
    """By which share errors (any number of them, one unit) are smaller than those of the mean face: 1 at best."""
    errors, means = np.asarray(errors, np.float64), np.asarray(errors_of_mean, np.float64)
    if errors.shape != means.shape or not errors.size:
        raise ShapeError(f"errors are {list(errors.shape)}, those of the mean {list(means.shape)}; wanted as many, > 0")
    return 1 - float(errors.sum() / means.sum())


def displacement_correlation(
    found: np.ndarray,  # [n, 3] expressed less neutral
    true: np.ndarray,  # [n, 3]
    weights: np.ndarray,  # [n] how much each vertex counts
) -> float:
    """Pearson's correlation over vertices and coordinates, weighted; 0 where either does not move at all."""
    if found.shape != true.shape or found.shape[:-1] != weights.shape:
        raise ShapeError(
            f"displacements are {list(found.shape)} and {list(true.shape)} with weights {list(weights.shape)}; "
            "wanted [n, 3] twice and [n]"
        )
    share = np.repeat(weights, 3) / (3 * weights.sum())
    a, b = found.ravel() - share @ found.ravel(), true.ravel() - share @ true.ravel()
    spread = (share @ a**2) * (share @ b**2)
    return float(share @ (a * b) / np.sqrt(spread)) if spread > 0 else 0.0


def coverage(errors: np.ndarray, sd: np.ndarray) -> tuple[float, float]:
    """The shares of errors within the 68 % and the 95 % intervals of their standard deviations [...]."""
    size = np.abs(errors) / np.maximum(sd, 1e-12)
    return float((size <= Z68).mean()), float((size <= Z95).mean())
