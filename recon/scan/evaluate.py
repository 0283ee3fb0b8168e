"""How far a head is from a scan of the same person, in the manner of the NoW challenge (Sanyal et al. 2019).

The two are brought together rigidly by seven landmarks (the corners of the eyes and of the mouth, the base of the
nose), then by the nearest points of the face, and the distance of the scan's points to the mesh is reported.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.surface.alignment import align
from flame_tools.surface.nearest import Surface
from recon.scan.file import Scan, checked
from recon.scan.landmarks import find_landmarks
from recon.scan.placing import align_robustly, unit_of
from recon.scan.points import oriented_points
from recon.scan.skin import ScanModel, numbered_landmarks

SEVEN = (33, 133, 362, 263, 2, 61, 291)  # of MediaPipe's 468: eyes right to left, nose, mouth
FEWEST = 4
FACE_M = 0.075  # from the middle of the seven: brows to chin, without ears
STEP_M = 0.0015
ROUNDS, KEPT = 30, 0.9  # of the alignment; the farthest tenth does not take part


@dataclass(frozen=True)
class ScanScore:
    """Distances from the face of a scan to a mesh."""

    median_mm: float
    mean_mm: float
    std_mm: float
    p90_mm: float
    points: int


def score_scan(vertices: np.ndarray, head: Head, scan: Scan, *, scale: bool = False) -> ScanScore:
    """Score posed vertices [V, 3] (metres) of `head` against a scan in any unit and place.

    With `scale` the mesh may also be resized, as for methods that do not know how large a face is.
    """
    vertices = np.asarray(vertices, np.float64)
    if vertices.shape != (len(head.v_template), 3):
        raise ShapeError(f"vertices are {list(vertices.shape)}, but head {head.arrays.id!r} has {len(head.v_template)}")
    skin = ScanModel(head.arrays)
    found = find_landmarks(checked(scan), skin.rest_marks)
    _, per_unit = unit_of(found.to_head.scale)
    numbers, places = numbered_landmarks(head.arrays)
    own = np.full((468, 3), np.nan)
    own[numbers] = np.einsum("lk,lkc->lc", places.barycentrics, vertices[head.arrays.faces[places.faces]])
    marks = found.points * per_unit
    seen = [i for i in SEVEN if found.trust[i] > 0 and np.isfinite(own[i]).all()]
    if len(seen) < FEWEST:  # holes: all landmarks there are
        seen = np.flatnonzero((found.trust > 0) & np.isfinite(own).all(1))
    kind = "similarity" if scale else "rigid"
    # the scan moves, and is measured in its own millimetres
    place = align_robustly(marks[seen], own[seen], found.trust[seen], width=0.004, kind=kind)
    points = oriented_points(dataclasses.replace(scan, vertices=scan.vertices * per_unit), step=STEP_M).samples
    surface = Surface(vertices[skin.vertices], skin.faces)
    face = np.linalg.norm(place(points) - np.nanmean(own[list(SEVEN)], axis=0), axis=1) < FACE_M
    if face.sum() < 200:
        raise InputError("the scan has no surface where the mesh's face is; wanted a scan of the same person's face")
    for _ in range(ROUNDS):
        nearest = surface.nearest(place(points[face]))
        kept = nearest.distance <= np.quantile(nearest.distance, KEPT)
        place = align(points[face][kept], nearest.points[kept], kind=kind)
    distance = 1000 * surface.nearest(place(points[face])).distance / place.scale
    return ScanScore(
        median_mm=float(np.median(distance)),
        mean_mm=float(distance.mean()),
        std_mm=float(distance.std()),
        p90_mm=float(np.quantile(distance, 0.9)),
        points=len(distance),
    )
