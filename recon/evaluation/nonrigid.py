"""Distances between corresponding points, and region by region: what the nearest point on a mesh does not tell.

The nearest point forgives what slides along a surface: a mouth that sits too low still lies on a cheek. REALY (Chai et
al. 2022) therefore aligns nose, mouth, forehead and cheeks one by one, warps each region of the scan onto the mesh
non-rigidly, led by landmarks, and measures from each point of the scan to where its warped self meets the mesh. This
is that procedure for any scan with the seven landmarks. REALY's own regions are painted on its scans and its
correspondences led by 85 points; ours are cut by the landmarks and led by the seven: the figures are not its tables'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flame_tools.surface.alignment import Alignment
from flame_tools.surface.nearest import Surface
from recon.evaluation.now import FaceMesh, FaceScan, ScanErrors, refined
from recon.evaluation.picked import (
    LEFT_INNER,
    LEFT_MOUTH,
    LEFT_OUTER,
    NOSE,
    RIGHT_INNER,
    RIGHT_MOUTH,
    RIGHT_OUTER,
)

if TYPE_CHECKING:
    import scipy.sparse as sp

REGIONS = ("nose", "mouth", "forehead", "cheeks")
MOST = 12_000  # points that are warped; of more, every second, third, ...
NEIGHBOURS = 6
STIFFNESS = (150.0, 50.0, 30.0, 18.0)  # of neighbours that move apart, from the first rounds to the last
ROUNDS = 3  # at each stiffness
LED = 50.0  # a landmark's pull, where a point's is 1
CARRY_MM = 30.0  # around a landmark goes along with it
ANCHOR_SHARE = 0.25  # of a region's alignment that its landmarks have
LEADS = {  # the landmarks that lead each region
    "nose": (RIGHT_INNER, LEFT_INNER, NOSE),
    "mouth": (NOSE, RIGHT_MOUTH, LEFT_MOUTH),
    "forehead": (RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER),
    "cheeks": (RIGHT_OUTER, LEFT_OUTER, NOSE, RIGHT_MOUTH, LEFT_MOUTH),
}


@dataclass(frozen=True)
class RegionErrors:
    """Of one region, aligned for itself; arrays over its points [n], mm."""

    nearest: np.ndarray
    corresponding: np.ndarray


def regions_of_face(points: np.ndarray, marks: np.ndarray) -> dict[str, np.ndarray]:
    """Masks [n] of points [n, 3] by seven landmarks [7, 3]; apart from each other, the eyes in none of them.

    In units of the distance e of the outer corners of the eyes, from the base of the nose upwards and to the side:
    forehead from 0.22 e above the eyes; nose up to the eyes, 0.19 e to each side; mouth below the nose, 0.42 e to each
    side, to 0.2 e below its corners; cheeks beside nose and mouth up to 0.12 e below the eyes. Forehead and cheeks end
    0.75 e to each side: what lies farther, ears above all, is in none.
    """
    eyes = (marks[RIGHT_INNER] + marks[LEFT_INNER]) / 2
    across = marks[LEFT_OUTER] - marks[RIGHT_OUTER]
    unit = np.linalg.norm(across)
    side = across / unit
    up = eyes - marks[NOSE]
    up = up - (up @ side) * side
    up /= np.linalg.norm(up)
    x = np.abs((points - marks[NOSE]) @ side) / unit
    y = (points - marks[NOSE]) @ up / unit
    top = (eyes - marks[NOSE]) @ up / unit
    low = ((marks[RIGHT_MOUTH] + marks[LEFT_MOUTH]) / 2 - marks[NOSE]) @ up / unit
    nose = (x <= 0.19) & (y > -0.05) & (y <= top)
    mouth = (x <= 0.42) & (y <= -0.05) & (y >= low - 0.2)
    forehead = (y > top + 0.22) & (x <= 0.75)
    cheeks = (x <= 0.75) & (y <= top - 0.12) & (y >= low - 0.2) & ~nose & ~mouth
    return dict(zip(REGIONS, (nose, mouth, forehead, cheeks), strict=True))


def corresponding(errors: ScanErrors, scan: FaceScan, mesh: FaceMesh) -> np.ndarray:
    """[n] mm from points of the cut scan to where they belong on the aligned mesh. Never less than the nearest."""
    points = _thinned(errors.points)
    return _to_warped(points, errors.surface, errors.to_scan, scan.marks, mesh.marks)


def by_region(errors: ScanErrors, scan: FaceScan, mesh: FaceMesh) -> dict[str, RegionErrors]:
    """Errors of each region of the cut scan that has 50 points or more, after a rigid alignment of its own."""
    found = {}
    for name, inside in regions_of_face(errors.points, scan.marks).items():
        points = _thinned(errors.points[inside])
        if len(points) < 50:
            continue
        leads = list(LEADS[name])
        theirs, ours = scan.marks[leads], mesh.marks[leads]
        weight = ANCHOR_SHARE / (1 - ANCHOR_SHARE) * len(points) / len(leads)
        place = refined(points, errors.surface, errors.to_scan, anchors=(theirs, ours), anchor_weight=weight)
        nearest = place.scale * errors.surface.nearest(place.inverse()(points)).distance
        found[name] = RegionErrors(nearest, _to_warped(points, errors.surface, place, theirs, ours))
    return found


def _to_warped(points, surface: Surface, place: Alignment, marks, mesh_marks) -> np.ndarray:
    """[n] mm from points to the places on the mesh that a smooth warp, led by landmarks, brings them to."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import splu
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    laplacian = _graph(points, tree)
    away, lead = tree.query(marks)
    kept = away < 10.0  # a landmark in a hole leads nothing
    lead, wanted = lead[kept], place(mesh_marks[kept]) - marks[kept]
    move = _led(points, marks[kept], wanted)
    for stiffness in STIFFNESS:
        pull = np.ones(len(points))
        np.add.at(pull, lead, LED)
        factor = splu((sp.diags(pull) + stiffness * laplacian).tocsc())
        for _ in range(ROUNDS):  # what is added is smooth, so that what has slid stays where it slid to
            target = place(surface.nearest(place.inverse()(points + move)).points) - points - move
            np.add.at(target, lead, LED * (wanted - move[lead]))
            move = move + factor.solve(target)
    reached = place(surface.nearest(place.inverse()(points + move)).points)
    return np.linalg.norm(reached - points, axis=1)


def _led(points: np.ndarray, marks: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """[n, 3] how landmarks' displacements carry what is around them along: Gaussians that meet them, all but."""
    if not len(marks):
        return np.zeros_like(points)
    kernel = lambda a: np.exp(-((np.linalg.norm(a[:, None] - marks, axis=2) / CARRY_MM) ** 2) / 2)  # noqa: E731
    return kernel(points) @ np.linalg.solve(kernel(marks) + 1e-3 * np.eye(len(marks)), wanted)


def _graph(points: np.ndarray, tree) -> sp.csr_matrix:
    """The Laplacian of each point and its nearest ones: holes and loose points need no triangles."""
    import scipy.sparse as sp

    count = len(points)
    _, near = tree.query(points, k=min(NEIGHBOURS + 1, count))
    rows, columns = np.repeat(np.arange(count), near.shape[1] - 1), near[:, 1:].ravel()
    graph = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    graph = graph.maximum(graph.T)
    return (sp.diags(np.asarray(graph.sum(1)).ravel()) - graph).tocsr()


def _thinned(points: np.ndarray) -> np.ndarray:
    return points[:: -(-len(points) // MOST)] if len(points) > MOST else points
