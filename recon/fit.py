"""Fit a head to the landmarks of one picture.

The unknowns are identity, expression, jaw, lids, gaze, pose and focal length; the observations are MediaPipe's 468
landmarks and the two irises. Everything is weighed by its standard deviation: a landmark by `noise` (a share of the
distance between the eyes), a component by the head's own prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.blas import one_blas_thread
from flame_tools.types import HeadArrays
from readers.faces import FaceReading
from recon.landmark_model import LandmarkModel, Layout, rotation_matrix
from recon.least_squares import Problem, Solution, solve
from recon.priors import (
    DISTANCE_LOG_SD,
    DISTANCE_M,
    FOCAL_LOG_SD,
    FOCAL_OVER_LONG_SIDE,
    GAZE_APART_SD,
    IRIS_RADIUS_M,
    IRIS_SD,
    LID_PAIRS,
    LIP_PAIRS,
    OVAL,
    bounds,
    landmark_trust,
    prior,
)

TO_CAMERA = np.diag([1.0, -1.0, -1.0])  # world (y up, z towards the viewer) to OpenCV axes


@dataclass(frozen=True)
class FitOptions:
    """How a fit weighs what it knows."""

    noise: float = 0.035
    """Standard deviation of a landmark, as a share of the distance between the eyes. Neighbours err together, so this
    is larger than the error of a single landmark."""
    iris_noise: float = 0.015
    """The same of an iris centre."""
    gap_noise: float = 0.012
    """The same of the distance between facing points of the lips or of the lids, which is read better than places."""
    along_oval: float = 0.4
    """How much a landmark of the face's outline weighs along the outline, where it slides; across it weighs 1."""
    far_side: float = 0.15
    """How much a landmark weighs that faces away from the camera."""
    steps: int = 40
    """Most steps of the solver."""


@dataclass(frozen=True)
class Observation:
    """What a picture says, in its pixels."""

    landmarks: np.ndarray  # [468, 2]
    iris: np.ndarray  # [2, 2] centres: right, left
    iris_radius: np.ndarray  # [2] pixels: right, left
    size: tuple[int, int]  # width, height
    focal_px: float | None = None  # where it is known
    together: float = 0.0  # in [0, 1]: how surely an open mouth shows teeth that are together

    @staticmethod
    def of(
        reading: FaceReading, size: tuple[int, int], focal_px: float | None = None, together: float = 0.0
    ) -> Observation:
        rings = reading.iris.reshape(2, 5, 2)
        # a turned eye's iris is foreshortened along one axis only: the longer diameter is the true one
        diameters = np.linalg.norm(rings[:, 1:3] - rings[:, 3:5], axis=-1)
        return Observation(reading.landmarks[:, :2], rings[:, 0], diameters.max(1) / 2, size, focal_px, together)


@dataclass(frozen=True)
class LandmarkFit:
    """A fitted head, in the unknowns of its `Layout`."""

    layout: Layout
    unknowns: np.ndarray  # [K]
    sd: np.ndarray  # [K] standard deviation from the solver's Hessian; 0 where a bound holds
    projected: np.ndarray  # [468, 2] pixels
    eye_distance: float  # pixels: projected 3D distance between the eye joints
    weights: np.ndarray  # [468] trust the fit gave each landmark
    steps: int

    @property
    def focal(self) -> float:
        return float(np.exp(self.unknowns[self.layout.log_focal][0]))


def project(points: np.ndarray, focal: float, centre: np.ndarray) -> np.ndarray:
    """World points [n, 3] -> pixels [n, 2]."""
    camera = points @ TO_CAMERA
    return focal * camera[:, :2] / camera[:, 2:] + centre


def eye_distance(model: LandmarkModel, unknowns: np.ndarray) -> float:
    """The 3D distance between the eye joints, in pixels at their depth."""
    left, right = model.joints(unknowns)[3:5]
    focal = np.exp(unknowns[model.layout.log_focal][0])
    return float(np.linalg.norm(left - right) * focal / -(left + right)[2] * 2)


def starting_pose(model: LandmarkModel, seen: Observation) -> np.ndarray:
    """Unknowns [K] of the mean face, posed by scaled orthography (least squares on a 2 x 4 affine camera)."""
    lay = model.layout
    unknowns = np.zeros(lay.size)
    rest = model.points(unknowns)[model.slices["468"]]
    homogeneous = np.concatenate([rest, np.ones((len(rest), 1))], 1)
    affine = np.linalg.lstsq(homogeneous, seen.landmarks, rcond=None)[0].T  # [2, 4]
    u, spread, v = np.linalg.svd(affine[:, :3], full_matrices=False)
    rows, scale = u @ v, spread.mean()
    turn = TO_CAMERA @ np.stack([rows[0], rows[1], np.cross(rows[0], rows[1])])
    focal = seen.focal_px or FOCAL_OVER_LONG_SIDE * max(seen.size)
    depth = focal / scale
    if seen.focal_px is None and depth < DISTANCE_M / 2:  # a tight crop: the photographer stood farther away
        focal, depth = focal * DISTANCE_M / 2 / depth, DISTANCE_M / 2
    middle, target = rest.mean(0), seen.landmarks.mean(0)
    root = model.joint_template[0]
    at = TO_CAMERA @ np.append((target - np.array(seen.size) / 2) * depth / focal, depth)
    unknowns[lay.rotation] = _axis_angle(turn)
    unknowns[lay.translation] = at - (turn @ (middle - root) + root)
    unknowns[lay.log_focal] = np.log(focal)
    return unknowns


@one_blas_thread()
def fit(
    head: HeadArrays,
    model: LandmarkModel,
    seen: Observation,
    *,
    use: np.ndarray | None = None,
    options: FitOptions = FitOptions(),
    start: np.ndarray | None = None,
) -> LandmarkFit:
    """Fit to the landmarks of `seen`; `use` [468] bool leaves some out, `start` continues from other unknowns."""
    lay = model.layout
    unknowns = starting_pose(model, seen) if start is None else start.copy()
    active = np.zeros(lay.size, bool)
    for part in (lay.rotation, lay.translation):
        active[part] = True
    solution: Solution | None = None
    for stage, steps in (("pose", 10), ("all", options.steps), ("all", options.steps)):
        problem, weights = _problem(head, model, seen, unknowns, use, options)
        if stage == "all":
            active[:] = True
            active[lay.log_focal] = seen.focal_px is None
        solution = solve(problem, unknowns, active=active, steps=steps)
        unknowns = solution.x
    sd = np.zeros(lay.size)
    ids = np.flatnonzero(solution.free)
    sd[ids] = np.sqrt(np.diag(np.linalg.inv(solution.hessian[np.ix_(ids, ids)])))
    centre = np.array(seen.size) / 2
    projected = project(model.points(unknowns)[model.slices["468"]], np.exp(unknowns[lay.log_focal][0]), centre)
    return LandmarkFit(lay, unknowns, sd, projected, eye_distance(model, unknowns), weights, solution.steps)


def _axis_angle(rotation: np.ndarray) -> np.ndarray:
    """[3, 3] -> [3] radians, by the quaternion's largest component."""
    import torch

    from flame_tools.rotations import axis_angle_from_matrix

    return axis_angle_from_matrix(torch.from_numpy(rotation)).numpy()


def _problem(head, model: LandmarkModel, seen: Observation, at: np.ndarray, use, options: FitOptions):
    """The least-squares problem with weights as seen from the pose `at`, and the landmarks' weights [468]."""
    lay = model.layout
    marks, irises = model.slices["468"], model.slices["iris"]
    iris_rows = [irises.start, irises.start + 5]
    rows = np.concatenate([np.arange(marks.start, marks.stop), iris_rows])
    centre = np.array(seen.size) / 2
    unit = eye_distance(model, at)

    weights = landmark_trust() * _facing(model, at, options.far_side)
    if use is not None:
        weights = weights * use
    targets = np.concatenate([seen.landmarks, seen.iris])
    metric = np.empty((len(rows), 2, 2))  # takes pixels to standard deviations
    metric[:468] = np.eye(2) * (np.sqrt(weights) / (options.noise * unit))[:, None, None]
    metric[468:] = np.eye(2) / (options.iris_noise * unit)
    along = seen.landmarks[np.roll(OVAL, -1)] - seen.landmarks[np.roll(OVAL, 1)]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    slide = np.eye(2) - (1 - options.along_oval) * along[:, :, None] * along[:, None, :]
    metric[list(OVAL)] = metric[list(OVAL)] @ slide

    upper, lower = np.array(LIP_PAIRS + LID_PAIRS).T
    if use is not None:
        both = use[upper] & use[lower]
        upper, lower = upper[both], lower[both]
    gap = 1 / (options.gap_noise * unit)
    apart = seen.landmarks[upper] - seen.landmarks[lower]
    closer = apart * _closing(np.linalg.norm(apart, axis=1) / unit, seen.together)[:, None]
    closer[np.isin(upper, [pair[0] for pair in LID_PAIRS])] = 0

    known_focal = seen.focal_px is not None
    long_focal = np.log(FOCAL_OVER_LONG_SIDE * max(seen.size))

    def residuals(x: np.ndarray, wants_jacobian: bool):
        points, change = model.points_and_jacobian(x) if wants_jacobian else (model.points(x), None)
        focal = np.exp(x[lay.log_focal][0])
        camera = points[rows] @ TO_CAMERA
        depth = np.maximum(camera[:, 2:], 1e-3)
        image = focal * camera[:, :2] / depth
        off = image + centre - targets
        r = np.einsum("nab,nb->na", metric, off)
        # scalars, two to a row: iris sizes; distance and focal length; gaze of the two eyes apart
        eye_depth = depth[468:, 0]
        scalars = np.array(
            [
                np.log(focal * IRIS_RADIUS_M / eye_depth / seen.iris_radius) / (IRIS_SD * np.sqrt(2)),
                [
                    np.log(eye_depth.mean() / DISTANCE_M) / DISTANCE_LOG_SD,
                    0.0 if known_focal else (x[lay.log_focal][0] - long_focal) / FOCAL_LOG_SD,
                ],
                (x[lay.eyes][:2] - x[lay.eyes][2:]) / (GAZE_APART_SD * np.array([0.5, 1.0])),
            ]
        )
        r = np.concatenate([r, (off[upper] - off[lower] + closer) * gap, scalars])
        if not wants_jacobian:
            return r, None
        moved = np.einsum("ab,nbk->nak", TO_CAMERA, change[rows])
        d_image = (focal * moved[:, :2] - image[:, :, None] * moved[:, 2:]) / depth[:, :, None]
        d_image[:, :, lay.log_focal] += image[:, :, None]
        d_depth = moved[468:, 2]  # [2, K]
        extra = np.zeros((3, 2, lay.size))
        extra[0] = -d_depth / eye_depth[:, None] / (IRIS_SD * np.sqrt(2))
        extra[0, :, lay.log_focal] += 1 / (IRIS_SD * np.sqrt(2))
        extra[1, 0] = d_depth.mean(0) / eye_depth.mean() / DISTANCE_LOG_SD
        extra[1, 1, lay.log_focal] = 0.0 if known_focal else 1 / FOCAL_LOG_SD
        for axis, sd in ((0, GAZE_APART_SD * 0.5), (1, GAZE_APART_SD)):
            extra[2, axis, lay.eyes.start + axis] = 1 / sd
            extra[2, axis, lay.eyes.start + 2 + axis] = -1 / sd
        return r, np.concatenate([metric @ d_image, (d_image[upper] - d_image[lower]) * gap, extra])

    mean, sd = prior(head, lay, together=seen.together)
    low, high = bounds(head, lay)
    robust = np.concatenate([np.ones(len(rows) + len(upper), bool), np.zeros(3, bool)])
    return Problem(residuals, robust, mean, sd, low, high), weights


def _closing(gaps: np.ndarray, together: float) -> np.ndarray:
    """[n] in [0, 1]: the share of a lip gap (in eye distances) that is not there.

    On shut lips the network still leaves about 0.02 between them. Where teeth show it sets the lower lip's edge into
    the lip's red, by 12 to 20 % of the gap on portraits.
    """
    shut, wide = np.clip((0.05 - gaps) / 0.02, 0, 1), np.clip((gaps - 0.06) / 0.06, 0, 1)
    return np.maximum(shut, 0.15 * wide * together)


def _facing(model: LandmarkModel, at: np.ndarray, least: float) -> np.ndarray:
    """[468] in [least, 1]: how far each landmark turns to the camera, by its direction from the head's axis.

    The direction and not the normal: the far wing of the nose is unseen long before its normal says so.
    """
    rest = model.points(np.zeros(model.layout.size))[model.slices["468"]]
    axis = np.array([0.0, 0.0, model.joint_template[1:3, 2].mean()])
    outward = (rest - axis) * (1.0, 0.0, 1.0)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    turned = outward @ rotation_matrix(at[model.layout.rotation]).T
    points = model.points(at)[model.slices["468"]]
    view = -points / np.linalg.norm(points, axis=1, keepdims=True)
    cosine = (turned * view).sum(1)
    return least + (1 - least) * np.clip((cosine + 0.05) / 0.4, 0, 1)
