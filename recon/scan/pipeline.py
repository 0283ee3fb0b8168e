"""Scans to Tracks: find the face, bring the scan to the head, fit, and say how far the two are apart."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.surface.alignment import Alignment
from flame_tools.surface.nearest import Surface
from flame_tools.types import Appearance, FaceParams, Track
from recon.scan.file import Scan, checked, numbered_vertices, read_scan, scan_files, vertex_count
from recon.scan.fit import Evidence, ScanFit, Target, fit_parameters
from recon.scan.inside import inside
from recon.scan.landmarks import find_landmarks
from recon.scan.offsets import free_offsets
from recon.scan.placing import align_robustly, moved_pose, place_in, root_joints, unit_of
from recon.scan.points import OrientedPoints, oriented_points
from recon.scan.registered import checked_meshes, fit_registered
from recon.scan.skin import ScanModel

STEP_M = 0.0013  # between the points that the fit sees
AROUND_M = 0.26  # what is farther from the middle of the head is a body, a chair or a wall
REGISTERED_MM = 3.0  # a mesh that is farther from the head has other vertices in the same number
FAR_M = 0.02  # of the scan from the head: no error of the fit but something else


@dataclass(frozen=True)
class ScanResult:
    """Fitted heads and the scans that they lie on, one of each a frame."""

    track: Track  # its params lie in the scans' axes, in metres
    upright: tuple[Scan, ...]  # the scans in the head's frame: metres, y up, facing +z
    vertices: np.ndarray  # [T, V, 3] the fitted head there
    distance: tuple[np.ndarray, ...]  # [N] metres from each vertex of `upright` to the head; NaN far from it


def fit_files(
    path: str | os.PathLike,  # a scan, or a folder with several of one person
    head: Head,
    *,
    offsets: bool = False,
    registered: bool | None = None,
) -> ScanResult:
    """Fit `head` to the scans that a name stands for.

    With `registered` they are meshes in the head's own topology; None: they are if they have as many vertices, and if
    the head, fitted to them vertex by vertex, lies on them.
    """
    files, read = scan_files(path), functools.cache(read_scan)  # each file once, however it is fitted
    count = len(head.v_template)
    if registered or (registered is None and all(vertex_count(file, read=read) == count for file in files)):
        result = fit_meshes(_numbered(files, head, read=read), head)
        if registered or result.track.provenance["quality"]["scan_median_mm"] < REGISTERED_MM:
            return result
    return fit_scans([read(file) for file in files], head, offsets=offsets)


def read_meshes(path: str | os.PathLike, head: Head) -> np.ndarray:
    """Meshes [T, V, 3] in the head's own topology, in metres, from a file or a folder of them."""
    meshes = _numbered(scan_files(path), head)
    return meshes * _unit_of_meshes(meshes, head)[1]


def _numbered(files: Sequence[Path], head: Head, *, read: Callable[[Path], Scan] = read_scan) -> np.ndarray:
    """Meshes [T, V, 3] as their files hold them; refuses those that are not numbered as the head."""
    meshes = []
    for file in files:
        meshes.append(numbered_vertices(file, read=read))
        if len(meshes[-1]) != len(head.v_template):
            raise InputError(
                f"{file} has {len(meshes[-1])} vertices, head {head.arrays.id!r} has {len(head.v_template)}: it is not "
                "registered to this head; fit it as a raw scan, or give the head that it was made with"
            )
    return np.stack(meshes)


def _unit_of_meshes(meshes, head: Head) -> tuple[str, float]:
    rest = head.v_template.numpy().astype(np.float64)
    equal = np.ones(len(rest))
    return unit_of(float(np.median([align_robustly(mesh, rest, equal, width=0.006).scale for mesh in meshes])))


def fit_scans(scans: Sequence[Scan], head: Head, *, offsets: bool = False) -> ScanResult:
    """Fit `head` to raw scans of one person, in any unit and orientation, with holes, hair, or half a face missing.

    Identity, expression, jaw, lids and pose are found; what the scans do not show the prior fills in. Several scans
    share their identity. With `offsets` a smooth free-form field takes up what the parameters leave
    (Appearance.vertex_offsets, the mean of the scans').
    """
    if not scans:
        raise InputError("no scan was given; wanted one or more of one person")
    skin = ScanModel(head.arrays)
    seen = [_bring(checked(scan), skin) for scan in scans]
    fits = fit_parameters(skin, [one.evidence for one in seen])
    faces = [_params(fit.unknowns, skin, head) for fit in fits]
    bumps = None
    if offsets:
        every = [free_offsets(head, skin, face, one.evidence.target) for face, one in zip(faces, seen, strict=True)]
        bumps = np.mean(every, 0).astype(np.float32)

    someone = head.bake(faces[0].shape, None if bumps is None else torch.as_tensor(bumps))
    with torch.no_grad():
        vertices = np.stack([someone.vertices(face).numpy() for face in faces]).astype(np.float64)
    qualities = [one.quality(head, skin, v, fit) for one, v, fit in zip(seen, vertices, fits, strict=True)]
    motions = [one.place.inverse() for one in seen]
    placed = [place_in(face, root_joints(face, head), motion) for face, motion in zip(faces, motions, strict=True)]
    track = _track(
        head,
        _stacked(placed),
        [quality["coverage"] for quality in qualities],
        bumps,
        {
            "quality": {name: round(float(np.mean([q[name] for q in qualities])), 4) for name in qualities[0]},
            "scans": [one.facts | {"quality": quality} for one, quality in zip(seen, qualities, strict=True)],
            "metric_scale": _scale_from(seen[0].facts["unit"]),
        },
        std=_std(fits, motions, skin, head),
    )
    upright = tuple(one.upright for one in seen)
    return ScanResult(track, upright, vertices, _distances(upright, vertices, head))


def fit_meshes(meshes: np.ndarray, head: Head) -> ScanResult:
    """Fit `head` to meshes [T, V, 3] of one person in its own topology, in any unit and orientation."""
    meshes = checked_meshes(meshes, head)
    unit, per_unit = _unit_of_meshes(meshes, head)
    found = fit_registered(meshes * per_unit, head)
    error = np.linalg.norm(found.residual, axis=-1)
    with torch.no_grad():
        fitted = head.vertices(found.params).numpy().astype(np.float64)
    quality = {
        "scan_median_mm": round(1000 * float(np.median(error)), 6),
        "scan_mean_mm": round(1000 * float(error.mean()), 6),
        "scan_p90_mm": round(1000 * float(np.quantile(error, 0.9)), 6),
        "scan_max_mm": round(1000 * float(error.max()), 6),
        "coverage": 1.0,
    }
    facts = {"unit": unit, "metres_per_unit": per_unit, "registered": True}
    about = {"quality": quality, "scans": [facts] * len(meshes), "metric_scale": _scale_from(unit)}
    track = _track(head, found.params, np.ones(len(meshes)), None, about)
    rest, equal = head.v_template.numpy().astype(np.float64), np.ones(len(head.v_template))
    upright, vertices = [], []
    for mesh, fit in zip(meshes * per_unit, fitted, strict=True):
        place = align_robustly(fit, rest, equal, width=0.006, kind="rigid")
        upright.append(Scan(place(mesh), np.asarray(head.arrays.faces, np.int32)))
        vertices.append(place(fit))
    return ScanResult(track, tuple(upright), np.stack(vertices), tuple(error))


# --- one scan -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Brought:
    """A scan brought to the head: metres, y up, facing +z."""

    upright: Scan
    points: OrientedPoints
    evidence: Evidence
    place: Alignment  # the scan's axes (metres) to the head's frame
    facts: dict

    def quality(self, head: Head, skin: ScanModel, vertices: np.ndarray, fit: ScanFit) -> dict:
        """Figures by name: how far the scan's points on the face are from the head, and how much was seen."""
        face = np.zeros(len(vertices), bool)
        face[head.arrays.regions.get("face", np.arange(len(vertices)))] = True
        surface = Surface(vertices[skin.vertices], skin.faces)
        found = surface.nearest(self.points.samples)
        agree = np.abs((surface.face_normals[found.faces] * self.points.normals).sum(1)) > 0.5
        on_face = face[skin.vertices][skin.faces].all(1)[found.faces]
        counted = on_face & (found.distance < FAR_M) & agree & ~self.points.rim
        if counted.sum() < 50:
            raise InputError("the scan shows too little of the face that was found in it; wanted half a face or more")
        distance = 1000 * found.distance[counted]
        places = skin.landmarks(fit.unknowns)
        seen = (self.evidence.trust > 0) & np.isfinite(places).all(1)
        away = 1000 * np.linalg.norm(places[seen] - self.evidence.landmarks[seen], axis=1)
        return {
            "scan_median_mm": round(float(np.median(distance)), 4),
            "scan_mean_mm": round(float(distance.mean()), 4),
            "scan_p90_mm": round(float(np.quantile(distance, 0.9)), 4),
            "landmarks_mm": round(float(np.median(away)), 4),
            "coverage": round(float((fit.match.trust > 0)[face[skin.vertices]].mean()), 4),
        }


def _bring(scan: Scan, skin: ScanModel) -> _Brought:
    from scipy.spatial import cKDTree

    reference = skin.rest_marks
    found = find_landmarks(scan, reference)
    unit, per_unit = unit_of(found.to_head.scale)
    marks = np.where(found.trust[:, None] > 0, found.points, 0.0) * per_unit
    seen = (found.trust > 0) & np.isfinite(reference).all(1)
    place = align_robustly(marks[seen], reference[seen], found.trust[seen], width=0.004, kind="rigid")
    upright = _around_head(dataclasses.replace(scan, vertices=place(scan.vertices * per_unit)))
    points = oriented_points(upright, step=STEP_M)
    unseen = inside(upright.vertices, upright.faces, np.nanmean(reference, 0))
    if unseen.any():
        points = points.only(~unseen[cKDTree(upright.vertices).query(points.samples)[1]])
    to_head = np.eye(4)
    to_head[:3, :3], to_head[:3, 3] = per_unit * place.linear, place.translation
    facts = {
        "points": len(scan.vertices),
        "triangles": len(scan.faces),
        "inside_left_out": int(unseen.sum()),
        "unit": unit,
        "metres_per_unit": per_unit,
        "views_read": found.views,
        "to_head": to_head.round(9).tolist(),
    }
    front = (found.flat * per_unit @ place.linear.T)[:, :2]
    painted = scan.colours is not None or scan.texture is not None
    evidence = Evidence(Target(points), place(marks), found.trust, front, painted)
    return _Brought(upright, points, evidence, place, facts)


def _around_head(scan: Scan) -> Scan:
    """The part of an upright scan that may be head and neck."""
    near = np.linalg.norm(scan.vertices, axis=1) < AROUND_M
    if near.all():
        return scan
    faces = scan.faces[near[scan.faces].all(1)]
    keep, inverse = (np.flatnonzero(near), faces) if scan.is_cloud else np.unique(faces, return_inverse=True)
    if not len(keep):
        raise InputError("the scan has no surface near the face that was found in it; wanted a mesh of a head")
    cut = lambda values: None if values is None else values[keep]  # noqa: E731
    return Scan(
        scan.vertices[keep], inverse.reshape(-1, 3).astype(np.int32), cut(scan.colours), cut(scan.uv), scan.texture
    )


# --- to a track ---------------------------------------------------------------------------------------------------


def _params(unknowns: np.ndarray, skin: ScanModel, head: Head) -> FaceParams:
    """One face (no leading dimensions) of the solver's unknowns."""
    lay = skin.layout

    def part(values) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values)).to(head.v_template)

    return FaceParams.neutral(head).replace(
        shape=part(unknowns[lay.shape]),
        expression=part(unknowns[lay.expression]),
        jaw=part([*unknowns[lay.jaw], 0.0]),
        eyelids=part(unknowns[lay.eyelids]),
        global_rotation=part(unknowns[lay.rotation]),
        translation=part(unknowns[lay.translation]),
    )


def _stacked(faces: list[FaceParams]) -> FaceParams:
    """Faces of one identity as frames."""
    fields = {f.name: [getattr(face, f.name) for face in faces] for f in dataclasses.fields(FaceParams)}
    return FaceParams(**{name: v[0] if name == "shape" else torch.stack(v) for name, v in fields.items()})


def _std(fits: list[ScanFit], motions: list[Alignment], skin: ScanModel, head: Head) -> FaceParams:
    """Standard deviations, the pose's in the scans' axes as the pose is; NaN of what a scan does not tell."""
    lay, every = skin.layout, []
    pose = np.r_[: lay.expression.stop, lay.rotation, lay.translation]
    for fit, motion in zip(fits, motions, strict=True):
        change = moved_pose(fit.unknowns[lay.rotation], skin.model.joint_basis[0], motion)
        sd = np.sqrt(np.diag(fit.covariance))
        moved = np.sqrt(np.einsum("ij,jk,ik->i", change, fit.covariance[np.ix_(pose, pose)], change))
        sd[lay.rotation], sd[lay.translation] = moved[:3], moved[3:]
        every.append(_params(sd, skin, head))
    spread, unknown = _stacked(every), float("nan")
    jaw = torch.cat([spread.jaw[:, :2], torch.full_like(spread.jaw[:, 2:], unknown)], 1)
    return spread.replace(
        neck=torch.full_like(spread.neck, unknown), eyes=torch.full_like(spread.eyes, unknown), jaw=jaw
    )


def _track(head: Head, params: FaceParams, coverage, bumps, provenance: dict, std: FaceParams | None = None) -> Track:
    return Track(
        head_id=head.arrays.id,
        params=params,
        time_s=np.arange(len(params.jaw), dtype=np.float64),
        std=std,
        visibility=np.asarray(coverage, np.float32),
        appearance=None if bumps is None else Appearance(vertex_offsets=bumps),
        provenance={"made_by": "recon.scan", **provenance},
        licences=(head.arrays.licence,),
    )


def _scale_from(unit: str) -> str:
    """What the size of a face rests on whose scan is in a unit."""
    return "an average head" if unit == "unknown" else "the scan's unit"


def _distances(upright: Sequence[Scan], vertices: np.ndarray, head: Head) -> tuple[np.ndarray, ...]:
    every = [
        Surface(v, head.arrays.faces).nearest(scan.vertices).distance for scan, v in zip(upright, vertices, strict=True)
    ]
    return tuple(np.where(distance < FAR_M, distance, np.nan) for distance in every)
