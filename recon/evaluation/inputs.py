"""Scans, predicted meshes and their landmarks from files, in millimetres; wrong units are refused, not measured."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import person, posed_frames
from flame_tools.surface.alignment import Alignment, align
from flame_tools.types import HeadArrays, Track
from recon.evaluation.now import FaceMesh, FaceScan, face_ball
from recon.evaluation.picked import LEFT_OUTER, RIGHT_OUTER, SEVEN_OF_468, read_seven
from recon.scan.file import checked, read_scan
from recon.scan.inside import inside
from recon.scan.landmarks import find_landmarks
from recon.scan.placing import UNITS, unit_of
from recon.scan.skin import ScanModel, numbered_landmarks

EYES_MM = (60.0, 135.0)  # between the outer corners of the eyes: infants to the widest adults, with room
HIDDEN = ("teeth", "gums", "tongue", "mouth")  # materials of ours that no scan of a shut mouth shows


@dataclass(frozen=True)
class ReadScan:
    """A scan in mm, and what is not in its file."""

    face: FaceScan
    unit: str
    landmarks: str  # "given" or "found"
    inside: int  # vertices left out because nothing outside sees them: a modelled mouth, teeth, eyes' backs


def read_face_scan(
    path: str | os.PathLike,
    head: HeadArrays,
    *,
    landmarks: str | os.PathLike | None = None,  # NoW's .pp, or .txt or .npy; found by the face reader where None
    unit: str | None = None,  # a key of UNITS; told by the size of the face where None
) -> ReadScan:
    """A scan and its seven landmarks.

    Raises InputError where the unit makes no human face, and where no face is found and no landmarks are given.
    """
    _check_unit(unit)
    scan = checked(read_scan(path), str(path))
    if landmarks is None:
        skin = ScanModel(head)
        found = find_landmarks(scan, skin.rest_marks)
        marks = found.points[list(SEVEN_OF_468)]
        lost = ~np.isfinite(marks).all(1) | (found.trust[list(SEVEN_OF_468)] <= 0)
        # in a hole: where an average face has it
        marks[lost] = found.to_head.inverse()(skin.rest_marks[list(SEVEN_OF_468)][lost])
        if not np.isfinite(marks).all():
            raise InputError(f"{path}: not all seven landmarks were found; give them with --landmarks")
        size = found.to_head.scale
    else:
        marks = read_seven(landmarks)
        size = _to_head(marks, head).scale
    if unit is None:
        unit = unit_of(size)[0]
        if unit == "unknown":
            raise InputError(
                f"{path}: a face whose size is none in {', '.join(UNITS)} ({1000 * size:.3g} mm to its unit); "
                "give the unit"
            )
    millimetres = 1000 * UNITS[unit]
    _check_size(marks * millimetres, f"{path} in {unit}", "give its unit")
    place = _to_head(marks, head)
    unseen = inside(place(scan.vertices), scan.faces, *face_ball(place(marks)))
    face = FaceScan(scan.vertices[~unseen] * millimetres, marks * millimetres)
    return ReadScan(face, unit, "found" if landmarks is None else "given", int(unseen.sum()))


def _to_head(marks: np.ndarray, head: HeadArrays) -> Alignment:
    """From a scan with these seven landmarks [7, 3] to where the head at rest has them, in metres."""
    return align(marks, own_marks(head.v_template.astype(np.float64), head), kind="similarity")


def mesh_of_track(
    track: Track, head: Head, *, frame: int = 0, at_rest: bool = False, name: str = "the track"
) -> FaceMesh:
    """One frame of a track, or its person at rest, without what of the mouth's inside its lips hide."""
    if not 0 <= frame < len(track):
        raise InputError(f"{name} has {len(track)} frames, the first is 0; there is no frame {frame}")
    if at_rest:
        vertices = person(track, head).v_template.double().numpy()
    else:
        vertices = next(itertools.islice(posed_frames(track, head), frame, None)).astype(np.float64)
    arrays = head.arrays
    marks, kept = own_marks(vertices, arrays), np.ones(len(arrays.faces), bool)
    within = np.isin(arrays.face_material, [k for k, name in enumerate(arrays.materials) if name in HIDDEN])
    if within.any():  # a mouth that is open shows it, to scanners as well
        place = _to_head(marks, arrays)
        unseen = inside(place(vertices), arrays.faces, *face_ball(place(marks)))
        kept = ~(within & unseen[arrays.faces].all(1))
    return FaceMesh(1000 * vertices, arrays.faces[kept], 1000 * marks)


def read_face_mesh(
    path: str | os.PathLike,
    landmarks: str | os.PathLike,
    *,
    unit: str = "m",
    any_size: bool = False,  # where it will be resized
) -> FaceMesh:
    """A predicted mesh of any topology and its seven landmarks, as they are handed in to NoW."""
    _check_unit(unit)
    mesh = checked(read_scan(path), str(path))
    if mesh.is_cloud:
        raise InputError(f"{path} has no faces; wanted a mesh, as distances are to its surface")
    millimetres = 1000 * UNITS[unit]
    marks = read_seven(landmarks) * millimetres
    if not any_size:
        _check_size(marks, f"{path} in {unit}", "give the mesh's unit, or let it be resized (--scale)")
    return FaceMesh(mesh.vertices * millimetres, mesh.faces, marks)


def own_marks(vertices: np.ndarray, arrays: HeadArrays) -> np.ndarray:
    """The seven landmarks [7, 3] of a head's vertices [V, 3], in their unit."""
    numbers, places = numbered_landmarks(arrays)
    rows = [np.flatnonzero(numbers == number)[0] for number in SEVEN_OF_468 if number in numbers]
    if len(rows) < 7:
        raise InputError(
            f"head {arrays.id!r} has {len(rows)} of the seven landmarks; emberface head add FILES, its landmark "
            "files among them, and then --head NAME"
        )
    return np.einsum("lk,lkc->lc", places.barycentrics[rows], vertices[arrays.faces[places.faces[rows]]])


def _check_unit(unit: str | None) -> None:
    if unit is not None and unit not in UNITS:
        raise InputError(f"unit {unit!r} is not known; wanted one of {', '.join(UNITS)}")


def _check_size(marks: np.ndarray, name: str, way_out: str) -> None:
    apart = float(np.linalg.norm(marks[LEFT_OUTER] - marks[RIGHT_OUTER]))
    if not EYES_MM[0] <= apart <= EYES_MM[1]:
        raise InputError(
            f"{name}: the outer corners of the eyes lie {apart:.3g} mm apart, people's 60 to 135; {way_out}"
        )
