"""One person through a film: identity and focal length from the frames that differ most, then every frame's face."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

import numpy as np

from flame_tools.threads import default_threads, run_tasks
from flame_tools.types import HeadArrays
from recon.fitting.certainty import widened
from recon.fitting.fit import LandmarkFit, fit_many, starting_pose
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.layout import Layout
from recon.fitting.least_squares import Problem
from recon.fitting.observation import USUAL, FitOptions, Observation
from recon.fitting.residuals import expected, eye_distance, targets_of

AFRESH = 64  # frames; the first takes as long as four that follow
TOLERANCE = 1e-4  # relative, on a frame's cost
FOLLOW_STEPS = 12  # most steps of the solver from the frame before
NEAR = 0.5  # a start whose landmarks lie within this share of the face is good enough to follow from


@dataclass(frozen=True)
class Person:
    """Who somebody is, as far as films go: what all frames share."""

    shape: np.ndarray  # [S] in SD
    shape_sd: np.ndarray  # [S]
    log_focal: float  # of pixels; in weak perspective each frame has its own
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
    variance: np.ndarray  # [K] of the frame alone, as LandmarkFit.sd; 0 where a bound holds
    error: float  # mean distance of the landmarks over the distance between the eyes


@dataclass(frozen=True)
class Face:
    """One frame's expression, jaw, gaze and lids, where a network tells them."""

    mean: np.ndarray  # [E + 8] as Person.layout has them
    sd: np.ndarray  # [E + 8]


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
    faces: Iterable[Face] | None = None,  # where they are known, poses alone are solved for
    options: FitOptions = USUAL,
    threads: int | None = None,  # as many as the process has cores; the fits do not depend on it
) -> list[FrameFit]:
    """Fits of `count` frames in their order, each begun from the one before; every AFRESH frames one begins afresh, so
    that no mistake is followed for ever, and such stretches are fitted side by side."""
    lanes, told = threads or default_threads(), zip(seen, repeat(None) if faces is None else faces, strict=False)
    fits: list[FrameFit] = []

    def fit_stretch(stretch: list[tuple[Observation, Face | None]], found: list[FrameFit]) -> None:
        for one, face in stretch:
            start = found[-1].unknowns if found else None
            found.append(fit_frame(head, person, one, start=start, face=face, options=options))

    while batch := list(islice(told, lanes * AFRESH)):
        stretches = [(batch[first : first + AFRESH], []) for first in range(0, len(batch), AFRESH)]
        run_tasks(fit_stretch, stretches, lanes)
        fits += (fit for _, found in stretches for fit in found)
        progress(len(fits) / count)
    return fits


def fit_frame(
    head: HeadArrays,
    person: Person,
    seen: Observation,
    *,
    start: np.ndarray | None = None,  # [K] the frame before
    face: Face | None = None,  # where it is known, the pose alone is solved for
    options: FitOptions = USUAL,
) -> FrameFit:
    """Expression, jaw, lids, gaze and pose of one frame. A start that is far off is not followed."""
    from recon.fitting.face_numba import solve_face

    model, lay = person.model, person.layout
    if not seen.view.weak:  # that has a scale of its own in every frame
        view = dataclasses.replace(seen.view, focal_px=float(np.exp(person.log_focal)))
        seen = dataclasses.replace(seen, view=view)
    rounds = (("all", FOLLOW_STEPS),)
    if start is None or _error(model, start, seen) > NEAR:
        start, rounds = starting_pose(model, seen), (("pose", 10), ("all", options.steps), ("all", options.steps))
    if face is not None:
        start, rounds = np.append(face.mean, start[lay.rotation.start :]), (("pose", 10),) * len(rounds)
    mean, sd, low, high = expected(head, model, seen, options)
    known = (mean, sd**-2.0, low, high)
    unknowns, variance = np.ascontiguousarray(start), None
    for stage, steps in rounds:
        active = np.ones(lay.size, bool)
        if stage == "pose":
            active[: lay.rotation.start] = False
        targets, _ = targets_of(model, seen, unknowns, options)
        unknowns, variance, _, _ = solve_face(
            model.terms, targets, known, Problem.cauchy, active, unknowns, steps, TOLERANCE
        )
    if face is not None:
        variance[: lay.rotation.start] = face.sd**2
    return FrameFit(unknowns, widened(np.sqrt(variance), sd) ** 2, _error(model, unknowns, seen))


def _error(model: LandmarkModel, unknowns: np.ndarray, seen: Observation) -> float:
    return float(errors_of(model, unknowns, seen).mean())


def errors_of(model: LandmarkModel, unknowns: np.ndarray, seen: Observation) -> np.ndarray:
    """[468] distances of the landmarks from those seen, over the distance between the eyes."""
    marks = model.points(unknowns)[model.slices["468"]]
    projected = seen.view.project(marks, float(np.exp(unknowns[model.layout.log_focal][0])))
    return np.linalg.norm(projected - seen.landmarks, axis=1) / eye_distance(model, unknowns, seen)
