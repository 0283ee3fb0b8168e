"""How far a head is from what a picture says, in standard deviations, with derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flame_tools.surface.eyeball import IRIS_RADIUS_M
from flame_tools.types import HeadArrays
from readers.face_parts import LID_PAIRS, LIP_PAIRS, OVAL
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.least_squares import Problem
from recon.fitting.observation import USUAL, FitOptions, Observation
from recon.fitting.priors import (
    DISTANCE_LOG_SD,
    DISTANCE_M,
    FOCAL_LOG_SD,
    FOCAL_OVER_LONG_SIDE,
    GAZE_APART_SD,
    IRIS_SD,
    bounds,
    landmark_trust,
    prior,
)
from recon.fitting.rotation import rotation_matrix

if TYPE_CHECKING:
    from recon.fitting.landmark_numba import Targets

LEAST_NOISE = 0.004  # of a landmark, as a share of the distance between the eyes, whatever its reader says
_UPPER, _LOWER = np.array(LIP_PAIRS + LID_PAIRS).T
_OF_LIDS = np.isin(_UPPER, [pair[0] for pair in LID_PAIRS])


def landmark_problem(
    head: HeadArrays, model: LandmarkModel, seen: Observation, at: np.ndarray, options: FitOptions
) -> tuple[Problem, np.ndarray]:
    """The least-squares problem with weights as seen from the pose in `at` [K], and the landmarks' weights [468]."""
    from recon.fitting.landmark_numba import residuals_of

    lay = model.layout
    targets, weights = targets_of(model, seen, at, options)
    seen_rows = len(targets.rows) + len(targets.upper)
    count = seen_rows + 3 + len(targets.left)

    def residuals(x: np.ndarray, wants_jacobian: bool):
        r, jacobian = np.empty((count, 2)), np.empty((count if wants_jacobian else 0, 2, lay.size))
        residuals_of(model.terms, targets, np.ascontiguousarray(x, np.float64), r, jacobian)
        return r, jacobian if wants_jacobian else None

    return Problem(residuals, np.arange(count) < seen_rows, *expected(head, model, seen, options)), weights


def expected(
    head: HeadArrays, model: LandmarkModel, seen: Observation, options: FitOptions = USUAL
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation, lowest and highest value [K] of the unknowns, before the landmarks are looked at."""
    lay, view = model.layout, seen.view
    mean, sd = prior(head, lay, together=seen.together, tongue=seen.tongue)
    low, high = bounds(head, lay)
    if seen.guess is not None:
        for part in options.guessed:
            where = getattr(lay, part)
            mean[where], sd[where] = seen.guess.mean[where], seen.guess.sd[where]
    if view.weak:  # the scale has no prior, the irises tell it; the head is put where portraits are taken
        low[lay.translation][2] = high[lay.translation][2] = -DISTANCE_M
    elif view.focal_px is None:
        mean[lay.log_focal], sd[lay.log_focal] = np.log(FOCAL_OVER_LONG_SIDE * max(view.size)), FOCAL_LOG_SD
    else:
        low[lay.log_focal] = high[lay.log_focal] = np.log(view.focal_px)
    return mean, sd, low, high


def targets_of(
    model: LandmarkModel, seen: Observation, at: np.ndarray, options: FitOptions
) -> tuple[Targets, np.ndarray]:
    """What is seen, weighed as from the pose in `at` [K], and the landmarks' weights [468]."""
    from recon.fitting.landmark_numba import Targets

    view = seen.view
    marks, irises = model.slices["468"], model.slices["iris"]
    unit = eye_distance(model, at, seen)
    matrix, shift = view.axes
    weights = landmark_trust() * _facing(model, at, seen, options.far_side) * seen.trust
    metric = np.empty((470, 2, 2))
    if seen.noise is None:
        metric[:468] = np.eye(2) * (np.sqrt(weights) / (options.noise * unit))[:, None, None]
    else:
        weights = seen.trust
        noise = options.together * np.hypot(seen.noise, LEAST_NOISE * unit)
        metric[:468] = np.eye(2) * (np.sqrt(weights) / noise)[:, None, None]
    metric[468:] = np.eye(2) / (options.iris_noise * unit)
    if seen.noise is None:
        metric[list(OVAL)] = metric[list(OVAL)] @ _sliding(seen.landmarks, options.along_oval)

    both = np.sqrt(seen.trust[_UPPER] * seen.trust[_LOWER])
    upper, lower, lids, both = (part[both > 0] for part in (_UPPER, _LOWER, _OF_LIDS, both))
    apart = seen.landmarks[upper] - seen.landmarks[lower]
    closer = apart * _closing(np.linalg.norm(apart, axis=1) / unit, seen.together)[:, None]
    closer[lids] = 0
    if seen.noise is not None:
        closer[:] = 0
    targets = Targets(
        rows=np.concatenate([np.arange(marks.start, marks.stop), [irises.start, irises.start + 5]]),
        places=np.concatenate([seen.landmarks, seen.iris]) - view.middle,
        metric=metric,
        upper=upper,
        lower=lower,
        closer=closer,
        gap=both / (options.gap_noise * unit),
        rotation=np.ascontiguousarray(matrix, np.float64),
        shift=np.ascontiguousarray(shift, np.float64),
        iris_radius=np.ascontiguousarray(seen.iris_radius, np.float64),
        left=np.ascontiguousarray(model.layout.expression.start + model.sides[:, 0]),
        right=np.ascontiguousarray(model.layout.expression.start + model.sides[:, 1]),
        apart=1 / model.sides_sd,
    )
    return targets, weights


def plainly(model: LandmarkModel, targets: Targets, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals [R + P + 3 + S, 2] at x [K] and their Jacobian [..., K]: what `landmark_numba.residuals_of` gives.

    Landmarks in standard deviations, gaps likewise, then three rows of scalars: the irises' sizes; the distance, and
    nothing; how far the gaze of the eyes is apart. Then one of each motion with two sides: how far they are apart.
    """
    lay, upper, lower, gap = model.layout, targets.upper, targets.lower, targets.gap[:, None]
    points, change = model.points_and_jacobian(x)
    focal = np.exp(x[lay.log_focal][0])
    camera = points[targets.rows] @ targets.rotation.T + targets.shift
    depth = np.maximum(camera[:, 2:], 1e-3)
    image = focal * camera[:, :2] / depth
    off = image - targets.places
    eye_depth = depth[-2:, 0]
    scalars = np.array(
        [
            np.log(focal * IRIS_RADIUS_M / eye_depth / targets.iris_radius) / (IRIS_SD * np.sqrt(2)),
            [np.log(eye_depth.mean() / DISTANCE_M) / DISTANCE_LOG_SD, 0.0],
            (x[lay.eyes][:2] - x[lay.eyes][2:]) / (GAZE_APART_SD * np.array([0.5, 1.0])),
        ]
    )
    sides = np.zeros((len(targets.left), 2, lay.size))
    each = np.arange(len(sides))
    sides[each, 0, targets.left], sides[each, 0, targets.right] = targets.apart, -targets.apart
    gaps = (off[upper] - off[lower] + targets.closer) * gap
    r = np.concatenate([np.einsum("nab,nb->na", targets.metric, off), gaps, scalars, sides @ x])
    moved = np.tensordot(targets.rotation, change.swapaxes(0, 1)[:, targets.rows], 1).swapaxes(0, 1)
    d_image = (focal * moved[:, :2] - image[:, :, None] * moved[:, 2:]) / depth[:, :, None]
    d_image[:, :, lay.log_focal] += image[:, :, None]
    d_depth = moved[-2:, 2]  # [2, K]
    extra = np.zeros((3, 2, lay.size))
    extra[0] = -d_depth / eye_depth[:, None] / (IRIS_SD * np.sqrt(2))
    extra[0, :, lay.log_focal] += 1 / (IRIS_SD * np.sqrt(2))
    extra[1, 0] = d_depth.mean(0) / eye_depth.mean() / DISTANCE_LOG_SD
    for axis, sd in ((0, GAZE_APART_SD * 0.5), (1, GAZE_APART_SD)):
        extra[2, axis, lay.eyes.start + axis] = 1 / sd
        extra[2, axis, lay.eyes.start + 2 + axis] = -1 / sd
    d_gaps = (d_image[upper] - d_image[lower]) * gap[:, None]
    return r, np.concatenate([targets.metric @ d_image, d_gaps, extra, sides])


def eye_distance(model: LandmarkModel, unknowns: np.ndarray, seen: Observation) -> float:
    """The 3D distance between the eye joints, in pixels at their depth."""
    left, right = model.joints(unknowns)[3:5]
    focal = np.exp(unknowns[model.layout.log_focal][0])
    matrix, shift = seen.view.axes
    depth = matrix[2] @ (left + right) / 2 + shift[2]
    return float(np.linalg.norm(left - right) * focal / depth)


def _sliding(landmarks: np.ndarray, share: float) -> np.ndarray:
    """[36, 2, 2] what weighs a landmark of the outline along it by `share`, and across it by 1."""
    along = landmarks[np.roll(OVAL, -1)] - landmarks[np.roll(OVAL, 1)]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return np.eye(2) - (1 - share) * along[:, :, None] * along[:, None, :]


def _closing(gaps: np.ndarray, together: float) -> np.ndarray:
    """[n] in [0, 1]: the share of a lip gap (in eye distances) that is not there.

    On shut lips the network still leaves about 0.02 between them. Where teeth show it sets the lower lip's edge into
    the lip's red, by 12 to 20 % of the gap on portraits.
    """
    shut, wide = np.clip((0.05 - gaps) / 0.02, 0, 1), np.clip((gaps - 0.06) / 0.06, 0, 1)
    return np.maximum(shut, 0.15 * wide * together)


def _facing(model: LandmarkModel, at: np.ndarray, seen: Observation, least: float) -> np.ndarray:
    """[468] in [least, 1]: how far each landmark turns to the camera, by its direction from the head's axis.

    The direction and not the normal: the far wing of the nose is unseen long before its normal says so.
    """
    rest = model.rest[model.slices["468"]]
    axis = np.array([0.0, 0.0, model.joint_template[1:3, 2].mean()])
    outward = (rest - axis) * (1.0, 0.0, 1.0)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    turned = outward @ rotation_matrix(at[model.layout.rotation]).T
    cosine = (turned * seen.view.sight(model.points(at)[model.slices["468"]])).sum(1)
    return least + (1 - least) * np.clip((cosine + 0.05) / 0.4, 0, 1)
