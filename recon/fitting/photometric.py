"""Refine a landmark fit by what pictures show of the skin: shading in one, in several what moves between them.

Identity, faces, poses and each picture's light at once, by Levenberg-Marquardt on the landmark terms and
priors that are there already and on the logarithm of the albedo (photometric_residuals) at every sample of the
skin. An albedo is a few smooth fields over the face plus a number of each sample, shared by the pictures and known a
priori to within `albedo_sd`: it is eliminated in closed form (variable projection; Golub and Pereyra 1973), so that of
one picture only shading remains, less sure for it, and of several mostly how they match.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.blas import one_blas_thread
from flame_tools.errors import ShapeError
from flame_tools.types import HeadArrays
from recon.fitting.certainty import widened
from recon.fitting.fit import LandmarkFit, shared_unknowns
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.least_squares import Problem
from recon.fitting.observation import USUAL, FitOptions, Observation
from recon.fitting.photometric_joint import USUAL_PHOTOMETRIC, Joint, PhotometricOptions
from recon.fitting.residuals import eye_distance, landmark_problem
from recon.fitting.skin_samples import skin_samples

__all__ = ["PhotometricOptions", "Refined", "refine"]


@dataclass(frozen=True, eq=False)
class Refined:
    """Refined fits and what they rest on."""

    fits: list[LandmarkFit]
    light: np.ndarray  # [T, 9] grey: log of the blurred picture = log albedo + log(hollow * harmonics @ light)
    weights: np.ndarray  # [T, M] in [0, 1]: how far each sample of each picture was believed
    cost: tuple[float, float]  # at the finest scale, before and after, samples weighed as after


@one_blas_thread()
def refine(
    head: HeadArrays,
    model: LandmarkModel,
    images: Sequence[np.ndarray],  # T, each [H, W, 3] uint8 sRGB
    seen: Sequence[Observation],  # T
    fits: Sequence[LandmarkFit],  # T, of `recon.fitting.fit.fit_many`
    *,
    one_moment: bool = False,  # as they were fitted
    one_camera: bool = False,
    options: FitOptions = USUAL,
    photometric: PhotometricOptions = USUAL_PHOTOMETRIC,
    problems: Sequence[Problem] | None = None,  # T, other terms than the landmarks' at `fits`
) -> Refined:
    """Fits of T pictures of one person, refined together: identity, expressions and poses.

    Gaze stays, and a focal length that is not `one_camera`'s; in weak perspective each picture's scale moves. It is for
    landmarks that err as readers do: a fit to true ones is not brought nearer.
    Raises ShapeError where a picture is not of its view's size, or pictures, observations and fits are not as many.
    """
    _check(images, seen, fits)
    lay, start = model.layout, np.stack([f.unknowns for f in fits])
    shared = shared_unknowns(lay, seen, one_moment=one_moment, one_camera=one_camera)
    if problems is None:
        problems = [landmark_problem(head, model, s, x, options)[0] for s, x in zip(seen, start, strict=True)]
    fewer = np.where(shared, 1 + (len(seen) - 1) * options.alike, 1.0)
    fewer[lay.log_focal] = len(seen) if shared[lay.log_focal] else 1
    usual, sds = [p.sd for p in problems], [p.sd / np.sqrt(fewer) for p in problems]
    sds[1:] = [np.where(shared, np.inf, sd) for sd in sds[1:]]
    problems = [dataclasses.replace(p, sd=sd) for p, sd in zip(problems, sds, strict=True)]
    joint = Joint(skin_samples(head), images, seen, problems, start, shared, photometric)
    finest = (photometric.matched,) if len(seen) > 1 else ()
    for share in (*photometric.scales, *finest):
        joint.look(share)
        first = joint.z
        joint.descend(photometric.steps)
    refined = []
    for s, old, place, covariance, prior_sd in zip(seen, fits, joint.place, joint.covariance(), usual, strict=True):
        x = joint.z[place]
        projected = s.view.project(model.points(x)[model.slices["468"]], float(np.exp(x[lay.log_focal][0])))
        sd = widened(np.sqrt(np.diag(covariance) * fewer), prior_sd)
        steps = old.steps + joint.steps
        refined.append(LandmarkFit(lay, x, sd, projected, eye_distance(model, x, s), old.weights, steps))
    return Refined(refined, joint.z[joint.lights], joint.robust / joint.telling, (joint.cost(first), joint.cost()))


def _check(images: Sequence[np.ndarray], seen: Sequence[Observation], fits: Sequence[LandmarkFit]) -> None:
    if not 0 < len(images) == len(seen) == len(fits):
        raise ShapeError(
            f"{len(images)} pictures came with {len(seen)} observations and {len(fits)} fits; wanted as many of each"
        )
    for number, (image, one) in enumerate(zip(images, seen, strict=True), 1):
        if image.dtype != np.uint8 or image.shape != (one.view.size[1], one.view.size[0], 3):
            raise ShapeError(
                f"picture {number} is {image.dtype} {list(image.shape)} but its view is "
                f"{one.view.size[0]} x {one.view.size[1]} pixels; wanted the uint8 [H, W, 3] picture that was read"
            )
