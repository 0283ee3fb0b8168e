"""Whether pictures of one person show one expression: taken at once from several sides, or of a face held still.

Shared, an expression is known from all sides, and what is left of the pictures tells who it is. So it is shared where
the landmarks allow it: sharing it costs the fit less than reading errors do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from flame_tools.types import HeadArrays
from recon.fitting.fit import LandmarkFit, fit_many
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.least_squares import total_cost
from recon.fitting.observation import USUAL, FitOptions, Observation
from recon.fitting.residuals import landmark_problem

ALLOWED = 80.0
"""By how much the cost may rise for each picture but the first. On eight made people of another topology that of
pictures of one moment rises by 11 to 65, that of a face at rest beside a lowered brow, a smile, a kiss or speech by 109
and more (of five pictures of which one smiles by 204); in films of real people held faces by 4 to 60, speech by 100 and
more."""


def fit_moments(
    head: HeadArrays,
    model: LandmarkModel,
    seen: Sequence[Observation],
    *,
    one_camera: bool = False,  # as in fit_many
    options: FitOptions = USUAL,
) -> tuple[bool, list[LandmarkFit]]:
    """Whether the pictures show one expression, and their fits, for which that is so.

    Only readers that say how far each landmark may be off can tell; of other landmarks each picture has its own.
    """
    calibrated = all(s.view.world_to_camera is not None for s in seen)
    apart = fit_many(head, model, seen, one_camera=one_camera, options=options)
    if calibrated or len(seen) == 1 or any(s.noise is None for s in seen):
        return calibrated, apart
    together = fit_many(head, model, seen, one_moment=True, one_camera=one_camera, options=options)
    risen = _cost(head, model, seen, together, options) - _cost(head, model, seen, apart, options)
    one = risen <= ALLOWED * (len(seen) - 1)
    return one, together if one else apart


def _cost(
    head: HeadArrays,
    model: LandmarkModel,
    seen: Sequence[Observation],
    fits: Sequence[LandmarkFit],
    options: FitOptions,
) -> float:
    """What landmarks and expressions cost, whoever it is."""
    total = 0.0
    for s, found in zip(seen, fits, strict=True):
        problem, _ = landmark_problem(head, model, s, found.unknowns, options)
        sd = problem.sd.copy()
        sd[model.layout.shape] = np.inf
        total += total_cost(dataclasses.replace(problem, sd=sd), found.unknowns)
    return total
