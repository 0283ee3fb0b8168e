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
from recon.scan.fit import ScanModel
from recon.scan.landmarks import find_landmarks
from recon.scan.placing import unit_of
from recon.scan.points import oriented_points

SEVEN = (33, 133, 362, 263, 2, 61, 291)  # of MediaPipe's 468: eyes right to left, nose, mouth
NOSE_TIP = 1
FACE = 0.7  # radius about the nose's tip, as a share of the eyes' outer distance and the nose's height together
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
    found = find_landmarks(checked(scan), skin.landmarks(np.zeros(skin.layout.size)))
    _, per_unit = unit_of(found.to_head.scale)
    places = head.arrays.landmarks["468"]
    own = np.einsum("lk,lkc->lc", places.barycentrics, vertices[head.arrays.faces[places.faces]])
    marks = found.points * per_unit
    seen = [i for i in SEVEN if found.trust[i] > 0]
    if len(seen) < 4:
        raise InputError(f"only {len(seen)} of the seven landmarks lie on the scan; wanted four or more")
    kind = "similarity" if scale else "rigid"
    # the scan moves, and is measured in its own millimetres
    place = align(marks[seen], own[seen], kind=kind)
    points = oriented_points(dataclasses.replace(scan, vertices=scan.vertices * per_unit), step=STEP_M).samples
    tip = own[NOSE_TIP]
    radius = FACE * (np.linalg.norm(own[33] - own[263]) + np.linalg.norm((own[33] + own[263]) / 2 - own[2]))
    surface = Surface(vertices[skin.vertices], skin.faces)
    face = np.linalg.norm(place(points) - tip, axis=1) < radius
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
