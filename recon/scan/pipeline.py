"""A scan to a Track of one frame: find the face, bring the scan to the head, fit, and say how far the two are apart."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from flame_tools.surface.alignment import Alignment
from flame_tools.surface.nearest import Surface
from flame_tools.types import Appearance, FaceParams, Track
from recon.scan.file import Scan
from recon.scan.fit import ScanFit, ScanModel, Target, fit_parameters
from recon.scan.landmarks import find_landmarks
from recon.scan.offsets import free_offsets
from recon.scan.points import OrientedPoints, oriented_points
from recon.scan.similarity import align_robustly, rotation_of

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}  # metres
UNIT_TOLERANCE = 1.35  # heads of children and of giants against the average one
STEP_M = 0.0013  # between the points that the fit sees
AROUND_M = 0.26  # what is farther from the middle of the head is a body, a chair or a wall
FAR_M = 0.02  # of the scan from the head: no error of the fit but something else


@dataclass(frozen=True)
class ScanResult:
    """A fitted head and the scan that it lies on."""

    track: Track  # its params lie in the scan's axes, in metres
    upright: Scan  # the scan in the head's frame: metres, y up, facing +z
    vertices: np.ndarray  # [V, 3] the fitted head there
    distance: np.ndarray  # [N] metres from each vertex of `upright` to the head; NaN far from it


def fit_scan(scan: Scan, head: Head, *, offsets: bool = False) -> ScanResult:
    """Fit `head` to a raw scan in any unit and orientation, with holes, hair, or half of the face missing.

    Identity, expression, jaw, lids and pose are found; what the scan does not show the prior fills in. With `offsets`
    a smooth free-form field takes up what the parameters leave (Appearance.vertex_offsets).
    """
    skin = ScanModel(head.arrays)
    reference = skin.model.points(np.zeros(skin.layout.size))[skin.model.slices["468"]]
    found = find_landmarks(scan, reference)
    unit, per_unit = _unit_of(found.to_head.scale)
    seen = found.trust > 0
    marks = np.where(seen[:, None], found.points, 0.0) * per_unit
    place = align_robustly(marks[seen], reference[seen], found.trust[seen], width=0.004, kind="rigid")
    upright = _around_head(dataclasses.replace(scan, vertices=place(scan.vertices * per_unit)))
    points = oriented_points(upright, step=STEP_M)
    target = Target(points)
    painted = scan.colours is not None or scan.texture is not None
    fitted = fit_parameters(skin, target, place(marks), found.trust, painted=painted)
    params = _params(fitted.unknowns, skin, head)
    bumps = free_offsets(head, skin, params, target) if offsets else None

    someone = head.bake(params.shape)
    if bumps is not None:
        someone.v_template = someone.v_template + torch.as_tensor(bumps).to(someone.v_template)
    with torch.no_grad():
        vertices = someone.vertices(params).numpy().astype(np.float64)
    quality = _quality(head, skin, vertices, points, fitted, place(marks), found.trust)
    track = Track(
        head_id=head.arrays.id,
        params=_in_scan(params, head, place.inverse()),
        time_s=np.zeros(1),
        std=_std(fitted, skin, head),
        visibility=np.array([quality["coverage"]], np.float32),
        appearance=None if bumps is None else Appearance(vertex_offsets=bumps.astype(np.float32)),
        provenance={
            "made_by": "recon.scan",
            "quality": quality,
            "scan": {
                "points": len(scan.vertices),
                "triangles": len(scan.faces),
                "unit": unit,
                "metres_per_unit": per_unit,
                "views_read": found.views,
                "to_head": np.round(_matrix(place) @ np.diag([per_unit] * 3 + [1.0]), 9).tolist(),
            },
            "metric_scale": "the scan's unit" if unit != "unknown" else "an average head",
        },
        licences=(head.arrays.licence,),
    )
    distance = Surface(vertices, head.arrays.faces).nearest(upright.vertices).distance
    return ScanResult(track, upright, vertices, np.where(distance < FAR_M, distance, np.nan))


def _unit_of(metres_per_unit: float) -> tuple[str, float]:
    """The unit that makes the head nearest to an average one, or the size of an average head."""
    name = min(UNITS, key=lambda u: abs(np.log(metres_per_unit / UNITS[u])))
    if abs(np.log(metres_per_unit / UNITS[name])) < np.log(UNIT_TOLERANCE):
        return name, UNITS[name]
    return "unknown", float(metres_per_unit)


def _around_head(scan: Scan) -> Scan:
    """The part of an upright scan that may be head and neck."""
    near = np.linalg.norm(scan.vertices, axis=1) < AROUND_M
    if near.all():
        return scan
    if scan.is_cloud:
        keep = np.flatnonzero(near)
        return dataclasses.replace(
            scan, vertices=scan.vertices[keep], colours=None if scan.colours is None else scan.colours[keep]
        )
    faces = scan.faces[near[scan.faces].all(1)]
    keep, inverse = np.unique(faces, return_inverse=True)
    if not len(keep):
        raise InputError("the scan has no surface near the face that was found in it; wanted a mesh of a head")
    cut = lambda values: None if values is None else values[keep]  # noqa: E731
    return Scan(
        scan.vertices[keep], inverse.reshape(-1, 3).astype(np.int32), cut(scan.colours), cut(scan.uv), scan.texture
    )


def _params(unknowns: np.ndarray, skin: ScanModel, head: Head) -> FaceParams:
    """One face (no leading dimensions) of the solver's unknowns."""
    lay = skin.layout

    def part(values) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values)).to(head.v_template)

    neutral = FaceParams.neutral(head)
    return neutral.replace(
        shape=part(unknowns[lay.shape]),
        expression=part(unknowns[lay.expression]),
        jaw=part([*unknowns[lay.jaw], 0.0]),
        eyelids=part(unknowns[lay.eyelids]),
        global_rotation=part(unknowns[lay.rotation]),
        translation=part(unknowns[lay.translation]),
    )


def _in_scan(params: FaceParams, head: Head, back: Alignment) -> FaceParams:
    """The face where the scan lies: `back` takes the head's frame to the scan's axes, metres. Adds the frame axis."""
    root = head.bake(params.shape).joint_template[0].double()
    linear, shift = torch.as_tensor(rotation_of(back)), torch.as_tensor(back.translation)
    rotation = linear @ matrix_from_axis_angle(params.global_rotation.double())
    translation = linear @ (root + params.translation.double()) + shift - root
    placed = params.replace(
        global_rotation=axis_angle_from_matrix(rotation).to(params.shape), translation=translation.to(params.shape)
    )
    return placed.map(lambda value: value[None]).replace(shape=params.shape)


def _std(fitted: ScanFit, skin: ScanModel, head: Head) -> FaceParams:
    spread = _params(fitted.sd, skin, head)
    unknown = torch.full_like(spread.neck, float("nan"))
    spread = spread.replace(neck=unknown, eyes=torch.stack([unknown, unknown]))
    return spread.map(lambda value: value[None]).replace(shape=spread.shape)


def _matrix(alignment: Alignment) -> np.ndarray:
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = alignment.linear, alignment.translation
    return result


def _quality(head: Head, skin: ScanModel, vertices, points: OrientedPoints, fitted: ScanFit, marks, trust) -> dict:
    """The design's names: how far the scan's points on the face are from the head, and how much of it was seen."""
    face = np.zeros(len(vertices), bool)
    face[head.arrays.regions.get("face", np.arange(len(vertices)))] = True
    surface = Surface(vertices[skin.vertices], skin.faces)
    found = surface.nearest(points.samples)
    agree = np.abs((surface.face_normals[found.faces] * points.normals).sum(1)) > 0.5
    counted = face[skin.vertices][skin.faces].all(1)[found.faces] & (found.distance < FAR_M) & agree & ~points.rim
    if counted.sum() < 50:
        raise InputError("the scan shows too little of the face that was found in it; wanted half a face or more")
    distance = 1000 * found.distance[counted]
    corners = head.arrays.faces[head.arrays.landmarks["468"].faces]
    places = np.einsum("lk,lkc->lc", head.arrays.landmarks["468"].barycentrics, vertices[corners])
    seen = trust > 0
    return {
        "scan_median_mm": round(float(np.median(distance)), 4),
        "scan_mean_mm": round(float(distance.mean()), 4),
        "scan_p90_mm": round(float(np.quantile(distance, 0.9)), 4),
        "landmarks_mm": round(1000 * float(np.median(np.linalg.norm(places[seen] - marks[seen], axis=1))), 4),
        "coverage": round(float((fitted.match.trust > 0)[face[skin.vertices]].mean()), 4),
    }
