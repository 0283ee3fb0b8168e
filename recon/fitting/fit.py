"""Fit a head to the landmarks of one picture, or of several of one person.

The unknowns are identity, expression, jaw, lids, gaze, pose and focal length; the observations are MediaPipe's 468
landmarks and the two irises. Everything is weighed by its standard deviation: a landmark by `noise` (a share of the
distance between the eyes), a component by the head's own prior. Several pictures share the identity, those of one
moment the face, those of one camera its focal length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.blas import one_blas_thread
from flame_tools.errors import InputError
from flame_tools.types import HeadArrays
from recon.fitting.arrow import SharedSolution, solve_shared
from recon.fitting.certainty import widened
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.layout import Layout
from recon.fitting.observation import USUAL, FitOptions, Observation
from recon.fitting.priors import DISTANCE_M, FOCAL_OVER_LONG_SIDE
from recon.fitting.residuals import expected, eye_distance, landmark_problem

_TOLERANCE = 1e-5  # relative, on the cost; that of many pictures falls to its end in more, smaller steps


@dataclass(frozen=True)
class LandmarkFit:
    """A fitted head, in the unknowns of its `Layout`."""

    layout: Layout
    unknowns: np.ndarray  # [K]
    sd: np.ndarray  # [K] standard deviations (`certainty.widened`); 0 where a bound holds
    projected: np.ndarray  # [468, 2] pixels
    eye_distance: float  # pixels: projected 3D distance between the eye joints
    weights: np.ndarray  # [468] trust the fit gave each landmark
    steps: int

    @property
    def focal(self) -> float:
        """Pixels; in weak perspective pixels a metre."""
        return float(np.exp(self.unknowns[self.layout.log_focal][0]))


def starting_pose(model: LandmarkModel, seen: Observation) -> np.ndarray:
    """Unknowns [K] of the mean face, posed by scaled orthography (least squares on a 2 x 4 affine camera)."""
    lay, view = model.layout, seen.view
    unknowns = np.zeros(lay.size)
    rest = model.points(unknowns)[model.slices["468"]]
    homogeneous = np.concatenate([rest, np.ones((len(rest), 1))], 1)
    affine = np.linalg.lstsq(homogeneous, seen.landmarks, rcond=None)[0].T  # [2, 4]
    u, spread, v = np.linalg.svd(affine[:, :3], full_matrices=False)
    rows, scale = u @ v, spread.mean()
    turn = np.stack([rows[0], rows[1], np.cross(rows[0], rows[1])])  # into the camera's axes
    focal = view.focal_px or FOCAL_OVER_LONG_SIDE * max(view.size)
    depth = focal / scale
    if view.focal_px is None and depth < DISTANCE_M / 2:  # a tight crop: the photographer stood farther away
        focal, depth = focal * DISTANCE_M / 2 / depth, DISTANCE_M / 2
    if view.weak:
        focal, depth = scale, DISTANCE_M
    middle, target = rest.mean(0), seen.landmarks.mean(0)
    root = model.joint_template[0]
    at = np.append((target - view.middle) / scale, depth)
    turn, at = view.rotation.T @ turn, view.rotation.T @ (at - view.shift)  # into the world
    unknowns[lay.rotation] = _axis_angle(turn)
    unknowns[lay.translation] = at - (turn @ (middle - root) + root)
    unknowns[lay.log_focal] = np.log(focal)
    return unknowns


def fit(
    head: HeadArrays,
    model: LandmarkModel,
    seen: Observation,
    *,
    options: FitOptions = USUAL,
    start: np.ndarray | None = None,  # [K] unknowns to continue from
) -> LandmarkFit:
    """Fit to the landmarks of one picture."""
    return fit_many(head, model, [seen], options=options, start=None if start is None else start[None])[0]


@one_blas_thread()
def fit_many(
    head: HeadArrays,
    model: LandmarkModel,
    seen: Sequence[Observation],
    *,
    one_moment: bool = False,  # the pictures show one expression, from several sides
    one_camera: bool = False,  # they were taken with one focal length
    options: FitOptions = USUAL,
    start: np.ndarray | None = None,  # [T, K] unknowns to continue from
) -> list[LandmarkFit]:
    """Fit one person to T pictures: one identity, and for each picture an expression, a pose and a focal length.

    Pictures whose cameras' places are known (View.world_to_camera) must all be so, and be of one moment: they share
    the head's pose. Raises InputError where only some are, or their focal lengths are not known.
    """
    lay = model.layout
    calibrated = [s.view.world_to_camera is not None for s in seen]
    if any(calibrated) and not (all(calibrated) and all(s.view.focal_px for s in seen)):
        raise InputError(
            f"{sum(calibrated)} of {len(seen)} pictures have a camera of known place; wanted all of them, each with "
            "its focal length, or none"
        )
    common = shared_unknowns(lay, seen, one_moment=one_moment, one_camera=one_camera)
    # What is shared is known as well as by so many fewer pictures as their errors are alike; of a focal length, which
    # landmarks tell poorly, a second picture tells no more than the first.
    fewer = np.where(common, 1 + (len(seen) - 1) * options.alike, 1.0)
    fewer[lay.log_focal] = len(seen) if common[lay.log_focal] else 1
    if start is None and all(s.guess is not None for s in seen):
        start = np.stack([s.guess.mean for s in seen])
        start[:, common] = start[:, common].mean(0)
    unknowns = np.stack([starting_pose(model, s) for s in seen]) if start is None else start.copy()
    active = np.zeros(lay.size, bool)
    active[lay.rotation] = active[lay.translation] = True
    active[lay.log_focal] = any(s.view.weak for s in seen)  # instead of a distance
    solution: SharedSolution | None = None
    stages = (("pose", 10), ("all", options.steps), ("all", options.steps))
    for stage, steps in stages if start is None else stages[2:]:
        posed = [landmark_problem(head, model, s, x, options) for s, x in zip(seen, unknowns, strict=True)]
        problems = [dataclasses.replace(problem, sd=problem.sd / np.sqrt(fewer)) for problem, _ in posed]
        active |= stage == "all"
        solution = solve_shared(
            problems, unknowns, common, active=active, steps=steps, tolerance=_TOLERANCE * len(seen)
        )
        unknowns = solution.x
    fits = []
    for s, x, covariance, (_, weights) in zip(seen, unknowns, solution.covariance(), posed, strict=True):
        projected = s.view.project(model.points(x)[model.slices["468"]], float(np.exp(x[lay.log_focal][0])))
        sd = widened(np.sqrt(np.diag(covariance) * fewer), usual_sd(head, model, s, options))
        fits.append(LandmarkFit(lay, x, sd, projected, eye_distance(model, x, s), weights, solution.steps))
    return fits


def usual_sd(head: HeadArrays, model: LandmarkModel, seen: Observation, options: FitOptions) -> np.ndarray:
    """Standard deviations [K] before anybody has looked at the picture."""
    return expected(head, model, dataclasses.replace(seen, guess=None), options)[1]


def shared_unknowns(
    layout: Layout, seen: Sequence[Observation], *, one_moment: bool = False, one_camera: bool = False
) -> np.ndarray:
    """[K] bool: the unknowns that are one for all pictures. In weak perspective each has a scale of its own."""
    calibrated = all(s.view.world_to_camera is not None for s in seen)
    shared = np.zeros(layout.size, bool)
    shared[layout.shape] = True
    for part in (layout.expression, layout.jaw, layout.eyes, layout.eyelids):
        shared[part] = one_moment or calibrated
    for part in (layout.rotation, layout.translation):
        shared[part] = calibrated
    shared[layout.log_focal] = one_camera and not any(s.view.weak for s in seen)
    return shared


def same_lens(seen: Sequence[Observation]) -> bool:
    """Whether pictures may pass for those of one camera whose focal length nobody knows: they have one size."""
    views = [s.view for s in seen]
    return len({v.size for v in views}) == 1 and not any(v.weak or v.focal_px is not None for v in views)


def _axis_angle(rotation: np.ndarray) -> np.ndarray:
    """[3, 3] -> [3] radians, by the quaternion's largest component."""
    import torch

    from flame_tools.rotations import axis_angle_from_matrix

    return axis_angle_from_matrix(torch.from_numpy(rotation)).numpy()
