"""Regions of a head: sets of vertices by name, joined and cut, the triangles in them, and what lies where.

Region names are the head's own ("face", "lips", "left_eyeball" ...); regions may overlap (lips are part of the face).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flame_tools.errors import InputError
from flame_tools.smooth import smooth_step
from flame_tools.surface.mesh_graph import reach
from flame_tools.surface.nearest import Surface
from flame_tools.types import HeadArrays


def region(arrays: HeadArrays, names: str | Iterable[str], *, without: str | Iterable[str] = ()) -> np.ndarray:
    """Sorted vertices [n] of one region or of several together, less those of the regions `without`."""
    return np.flatnonzero(region_mask(arrays, names, without=without))


def region_mask(arrays: HeadArrays, names: str | Iterable[str], *, without: str | Iterable[str] = ()) -> np.ndarray:
    """The same as a mask [V]."""
    mask = np.zeros(len(arrays.v_template), bool)
    for wanted, value in ((names, True), (without, False)):
        for name in [wanted] if isinstance(wanted, str) else wanted:
            if name not in arrays.regions:
                known = ", ".join(sorted(arrays.regions)) or "none"
                raise InputError(f"head {arrays.id!r} has no region {name!r}; it has {known}")
            mask[arrays.regions[name]] = value
    return mask


def known(arrays: HeadArrays, names: Iterable[str]) -> list[str]:
    """Those of `names` that the head has and that are not empty: for what any head should survive."""
    return [name for name in names if len(arrays.regions.get(name, ()))]


def region_faces(arrays: HeadArrays, names: str | Iterable[str], *, touching: bool = False) -> np.ndarray:
    """Triangles [m] with every corner in the regions, or with any where `touching`."""
    inside = region_mask(arrays, names)[arrays.faces]
    return np.flatnonzero(inside.any(1) if touching else inside.all(1))


def regions_of(arrays: HeadArrays, vertices: Iterable[int]) -> list[tuple[str, ...]]:
    """For each vertex the names of the regions that hold it, the smallest region first; () where there is none."""
    vertices = np.asarray(list(vertices), int)
    if vertices.size and not (vertices.min() >= 0 and vertices.max() < len(arrays.v_template)):
        raise InputError(f"vertices reach {vertices.max()}; head {arrays.id!r} has {len(arrays.v_template)}")
    by_size = sorted(arrays.regions, key=lambda name: (len(arrays.regions[name]), name))
    inside = {name: np.isin(vertices, arrays.regions[name]) for name in by_size}
    return [tuple(name for name in by_size if inside[name][i]) for i in range(len(vertices))]


def regions_at(
    arrays: HeadArrays,
    points: np.ndarray,  # [N, 3] metres
    vertices: np.ndarray | None = None,  # [V, 3] of the posed head; at rest by default
) -> list[tuple[str, ...]]:
    """The regions of the nearest place on the surface to each point: those of the nearest corner there."""
    surface = Surface(arrays.v_template if vertices is None else vertices, arrays.faces)
    found = surface.nearest(np.asarray(points, np.float64))
    corner = found.barycentrics.argmax(1)
    return regions_of(arrays, arrays.faces[found.faces, corner])


def soft_mask(
    arrays: HeadArrays,
    names: str | Iterable[str],
    *,
    border_m: float = 0.01,  # how far outside the region the mask reaches, along the surface
) -> np.ndarray:  # [V] in [0, 1]
    """1 in the regions, falling smoothly to 0 over `border_m` around them; it does not leap from lip to lip."""
    if not 0.0 <= border_m < np.inf:
        raise InputError(f"a border of {border_m} m cannot be; wanted 0 or more metres, such as 0.01")
    inside = region_mask(arrays, names)
    if border_m == 0.0 or not inside.any():
        return inside.astype(np.float64)
    away = reach(np.asarray(arrays.v_template, np.float64), arrays.faces, np.flatnonzero(inside), border_m)
    return smooth_step(1.0 - np.minimum(away / border_m, 1.0))
