"""Scan-to-mesh distances by the rules of the NoW challenge (Sanyal et al. 2019, and its published evaluation).

1. The scan is cut to a ball: its centre lies 3/10 of the way from the base of the nose to the middle between the inner
   corners of the eyes; its radius is 0.7 of (the distance of the outer corners + the length of that way).
2. The mesh is brought to the scan by the seven landmarks, then to where the sum of squared distances of all vertices of
   the cut scan to it is least. In the non-metrical challenge it may be resized, in the metrical one it may not.
3. Reported are the unsigned distances of those vertices to the nearest point of the mesh. None is left out.

Two things differ: a mesh is never mirrored (the published Procrustes step allows it), and the sum of squares is
minimised by Levenberg-Marquardt with exact nearest points, first over some of the vertices, then over all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.errors import InputError, ShapeError
from flame_tools.surface.alignment import Alignment, align
from flame_tools.surface.nearest import Surface
from recon.evaluation.picked import LEFT_INNER, LEFT_OUTER, NOSE, RIGHT_INNER, RIGHT_OUTER
from recon.fitting.rotation import rotation_matrix

FEWEST = 100  # vertices of the cut scan
UPWARDS, RADIUS = 0.3, 0.7
LEADING = 4000  # vertices that the alignment begins with
ROUNDS, SETTLED = 60, 1e-7  # of the minimisation: at most, and the relative fall that ends it


@dataclass(frozen=True)
class FaceMesh:
    """A predicted face and the seven landmarks on it."""

    vertices: np.ndarray  # [V, 3] mm
    faces: np.ndarray  # [F, 3]
    marks: np.ndarray  # [7, 3] mm, in NoW's order


@dataclass(frozen=True)
class FaceScan:
    """The vertices of a scan and the seven landmarks on it."""

    points: np.ndarray  # [N, 3] mm
    marks: np.ndarray  # [7, 3] mm, in NoW's order


@dataclass(frozen=True)
class ScanErrors:
    """Where a mesh came to lie and how far the scan is from it."""

    distances: np.ndarray  # [n] mm, unsigned, of the vertices of the cut scan
    points: np.ndarray  # [n, 3] mm, these vertices
    to_scan: Alignment  # mesh to scan
    surface: Surface  # the mesh as it was predicted


def face_ball(marks: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre [3] and radius of what counts as face, by seven landmarks [7, 3]."""
    between = (marks[RIGHT_INNER] + marks[LEFT_INNER]) / 2
    up = between - marks[NOSE]
    across = np.linalg.norm(marks[RIGHT_OUTER] - marks[LEFT_OUTER])
    return marks[NOSE] + UPWARDS * up, float(RADIUS * (across + np.linalg.norm(up)))


def scan_to_mesh(scan: FaceScan, mesh: FaceMesh, *, scale: bool = False) -> ScanErrors:
    """Distances of a scan from a mesh that is aligned to it; `scale` lets the mesh be resized (non-metrical NoW).

    Raises InputError where the scan has no surface at its landmarks.
    """
    for name, values in (("scan", scan.marks), ("mesh", mesh.marks)):
        if values.shape != (7, 3):
            raise ShapeError(f"the {name}'s landmarks are {list(values.shape)}, wanted [7, 3]")
    centre, radius = face_ball(scan.marks)
    points = scan.points[np.linalg.norm(scan.points - centre, axis=1) <= radius]
    if len(points) < FEWEST:
        raise InputError(
            f"the scan has {len(points)} vertices within {radius:.0f} mm of its landmarks, wanted {FEWEST} or more; "
            "are scan and landmarks of one file, in one unit?"
        )
    surface = Surface(mesh.vertices, mesh.faces)
    start = align(mesh.marks, scan.marks, kind="similarity" if scale else "rigid")
    for some in (points[:: max(len(points) // LEADING, 1)], points):
        start = refined(some, surface, start, scale=scale)
    distances = start.scale * surface.nearest(start.inverse()(points)).distance
    return ScanErrors(distances, points, start, surface)


def refined(
    points: np.ndarray,  # [n, 3] mm
    surface: Surface,
    start: Alignment,  # surface to points
    *,
    scale: bool = False,
    anchors: tuple[np.ndarray, np.ndarray] | None = None,  # [k, 3] on the points' side, [k, 3] on the surface's
    anchor_weight: float = 0.0,  # of each anchor, where a point counts 1
) -> Alignment:
    """The alignment near `start` with the least sum of squared distances of points to the surface, and of anchors."""
    place, damping = start, 1e-4
    cost, rows, errors = _system(points, surface, place, anchors, anchor_weight)
    free = slice(None, 7 if scale else 6)
    for _ in range(ROUNDS):
        normal, right = rows[:, free].T @ rows[:, free], rows[:, free].T @ errors
        step = np.zeros(7)
        step[free] = np.linalg.solve(normal + np.diag(damping * np.diag(normal) + 1e-12), right)
        trial = _moved(place, step, points.mean(0))
        found = _system(points, surface, trial, anchors, anchor_weight)
        if found[0] >= cost:
            if damping > 1e3:
                break
            damping *= 10
            continue
        settled = cost - found[0] <= SETTLED * cost
        place, (cost, rows, errors), damping = trial, found, damping / 5
        if settled or cost < 1e-12 * len(points):
            break
    return place


def _moved(place: Alignment, step: np.ndarray, centre: np.ndarray) -> Alignment:
    """`place` followed by a small turn, shift and growth about `centre`."""
    linear = np.exp(step[6]) * rotation_matrix(step[:3])
    return Alignment(linear @ place.linear, linear @ (place.translation - centre) + centre + step[3:6])


def _system(points, surface, place, anchors, anchor_weight) -> tuple[float, np.ndarray, np.ndarray]:
    """Sum of squares, and the rows [m, 7] and errors [m] of the linear system of a small motion that lessens it."""
    nearest = surface.nearest(place.inverse()(points))
    errors = place.scale * nearest.distance
    reached = place(nearest.points)
    towards = points - reached
    on = errors < 1e-9  # a point on the surface has no direction of its own
    towards[on] = surface.face_normals[nearest.faces[on]] @ place.linear.T
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    arms = reached - points.mean(0)
    rows = np.concatenate([np.cross(arms, towards), towards, (towards * arms).sum(1, keepdims=True)], 1)
    if anchors is None:
        return float(errors @ errors), rows, errors
    here = place(anchors[1])
    root = np.sqrt(anchor_weight)
    away = root * (anchors[0] - here).ravel()
    arms = here - points.mean(0)
    turns = np.cross(np.eye(3)[None], arms[:, None]).transpose(0, 2, 1)  # [k, 3 coordinates, 3 axes]
    held = np.concatenate([turns, np.tile(np.eye(3), (len(arms), 1, 1)), arms[:, :, None]], 2).reshape(-1, 7)
    errors, rows = np.concatenate([errors, away]), np.concatenate([rows, root * held])
    return float(errors @ errors), rows, errors
