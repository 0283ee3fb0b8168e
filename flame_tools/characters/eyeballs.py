"""Finding the eyeballs of a mesh that does not say where they are: the round pieces behind the lids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flame_tools.characters.rigging import lid_middle
from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.mesh_graph import edge_matrix, pieces

ROUND = 0.12  # a piece is round where its distances from the centre vary less than this share of the radius
RADII = (0.12, 0.6)  # of an eyeball, as shares of the distance between the eyes
BEHIND_LIDS = 0.35  # the lids lie this near to the ball's surface, as a share of its radius
INSIDE = 1.12  # a piece within this many radii is part of the eye: iris, cornea, pupil


def find_eyeballs(
    vertices: np.ndarray, faces: np.ndarray, shapes: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the left and the right eyeball; empty where nothing round lies behind the lids that blink."""
    lids = [lid_middle(vertices, shapes, side) for side in ("Left", "Right")]
    if lids[0] is None or lids[1] is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return eyeballs_behind(vertices, faces, lids)


def eyeballs_behind(
    vertices: np.ndarray, faces: np.ndarray, lids: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the left and the right eyeball, each behind the middle [3] of its lids."""
    none = np.zeros(0, np.int64)
    apart = float(np.linalg.norm(lids[0] - lids[1]))
    labels = pieces(edge_matrix(faces, len(vertices)))
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    found = []
    for lid in lids:
        best, centre, radius = np.inf, None, 0.0
        for piece in members:
            if len(piece) < 24:
                continue
            middle = sphere_centre(vertices[piece])
            distance = np.linalg.norm(vertices[piece] - middle, axis=1)
            r = float(np.median(distance))
            off = abs(float(np.linalg.norm(lid - middle)) - r)
            fits = RADII[0] * apart < r < RADII[1] * apart and distance.std() < ROUND * r
            if fits and off < BEHIND_LIDS * r and off < best:
                best, centre, radius = off, middle, r
        if centre is None:
            found.append(none)
            continue
        inside = [p for p in members if np.linalg.norm(vertices[p] - centre, axis=1).max() < INSIDE * radius]
        found.append(np.sort(np.concatenate(inside)) if inside else none)
    return found[0], found[1]
