"""One person through a film: identity and focal length from the frames that differ most, then every frame's face."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.types import HeadArrays
from recon.arrow import solve
from recon.fit import LandmarkFit, fit_many, starting_pose
from recon.landmark_model import LandmarkModel, Layout
from recon.observation import USUAL, FitOptions, Observation
from recon.residuals import landmark_problem

AFRESH = 256  # frames
FOLLOW_STEPS = 12  # most steps of the solver from the frame before
NEAR = 0.5  # a start whose landmarks lie within this share of the face is good enough to follow from


@dataclass(frozen=True)
class Person:
    """Who somebody is, as far as films go: what all frames share."""

    shape: np.ndarray  # [S] in SD
    shape_sd: np.ndarray  # [S]
    log_focal: float  # of pixels
    model: LandmarkModel  # of this person alone: its layout has no identity
    keyframes: list[LandmarkFit]

    @property
    def layout(self) -> Layout:
        """Of a frame's unknowns."""
        return self.model.layout


@dataclass(frozen=True)
class FrameFit:
    """One frame's face."""

    unknowns: np.ndarray  # [K] of Person.layout
    variance: np.ndarray  # [K] of the frame alone; 0 where a bound holds
    error: float  # mean distance of the landmarks over the distance between the eyes


def meet(head: HeadArrays, model: LandmarkModel, seen: Sequence[Observation], *, options: FitOptions = USUAL) -> Person:
    """A person from keyframes of one camera."""
    fits = fit_many(head, model, seen, one_camera=True, options=options)
    lay = model.layout
    shape = fits[0].unknowns[lay.shape]
    return Person(shape, fits[0].sd[lay.shape], float(fits[0].unknowns[lay.log_focal][0]), model.of_person(shape), fits)


def follow(
    head: HeadArrays,
    person: Person,
    seen: Iterable[Observation],
    count: int,
    progress: Callable[[float], None] = lambda share: None,
    *,
    options: FitOptions = USUAL,
) -> list[FrameFit]:
    """Fits of `count` frames in their order, each begun from the one before; every so often one begins afresh, so that
    no mistake is followed for ever."""
    fits: list[FrameFit] = []
    for n, one in enumerate(seen):
        before = None if n % AFRESH == 0 else fits[-1].unknowns
        fits.append(fit_frame(head, person, one, start=before, options=options))
        progress((n + 1) / count)
    return fits


def fit_frame(
    head: HeadArrays,
    person: Person,
    seen: Observation,
    *,
    start: np.ndarray | None = None,  # [K] the frame before
    options: FitOptions = USUAL,
) -> FrameFit:
    """Expression, jaw, lids, gaze and pose of one frame. A start that is far off is not followed."""
    model, lay = person.model, person.layout
    seen = dataclasses.replace(seen, view=dataclasses.replace(seen.view, focal_px=float(np.exp(person.log_focal))))
    rounds = (("all", FOLLOW_STEPS),)
    if start is None or _error(model, start, seen) > NEAR:
        start, rounds = starting_pose(model, seen), (("pose", 10), ("all", options.steps), ("all", options.steps))
    unknowns, solution = start, None
    for stage, steps in rounds:
        active = np.ones(lay.size, bool)
        if stage == "pose":
            active[: lay.rotation.start] = False
        problem, _ = landmark_problem(head, model, seen, unknowns, options)
        solution = solve(problem, unknowns, active=active, steps=steps, tolerance=1e-4)
        unknowns = solution.x[0]
    variance = np.diag(solution.covariance()[0])
    return FrameFit(unknowns, variance, _error(model, unknowns, seen))


def _error(model: LandmarkModel, unknowns: np.ndarray, seen: Observation) -> float:
    from recon.residuals import eye_distance

    marks = model.points(unknowns)[model.slices["468"]]
    projected = seen.view.project(marks, float(np.exp(unknowns[model.layout.log_focal][0])))
    return float(np.linalg.norm(projected - seen.landmarks, axis=1).mean() / eye_distance(model, unknowns, seen))
