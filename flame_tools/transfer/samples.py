"""Vertices that stand for a face: spread evenly over it, closer together on lips and lids."""

from __future__ import annotations

import numpy as np

from flame_tools.surface.mesh_graph import vertex_areas
from flame_tools.types import HeadArrays

FACE = ("face", "nose", "brow", "lips", "left_lids", "right_lids")  # regions
FINE = ("lips", "left_lids", "right_lids")  # sampled twice as densely
COUNT = 1500  # vertices at most


def face_samples(head: HeadArrays) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [K] of the head's face and how much each counts [K]; without regions, of the whole head."""
    face, fine = in_regions(head, FACE), in_regions(head, FINE)
    everywhere = np.ones(len(head.v_template), bool)
    chosen = spread(
        head.v_template, np.flatnonzero(everywhere if face is None else face), ~everywhere if fine is None else fine
    )
    return chosen, np.sqrt(areas(head)[chosen])


def in_regions(head: HeadArrays, names: tuple[str, ...]) -> np.ndarray | None:
    """Which vertices [V] are in any of these regions; None where the head has none of them."""
    found = [head.regions[name] for name in names if name in head.regions]
    if not found:
        return None
    inside = np.zeros(len(head.v_template), bool)
    inside[np.concatenate(found)] = True
    return inside


def spread(points: np.ndarray, chosen: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """One vertex a cell of a grid, cells half as large where `fine`, as large as leaves COUNT vertices."""
    cell = 1e-3
    while len(chosen) > COUNT:
        size = np.where(fine[chosen], cell / 2, cell)[:, None]
        cells = np.concatenate([np.round(points[chosen] / size), fine[chosen, None]], 1)
        chosen = chosen[np.sort(np.unique(cells, axis=0, return_index=True)[1])]
        cell *= 1.15
    return chosen


def areas(head: HeadArrays) -> np.ndarray:
    """A third of the area of the triangles around each vertex [V], square metres."""
    return vertex_areas(np.asarray(head.v_template, np.float64), head.faces)
