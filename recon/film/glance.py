"""A person of a film at a glance: who it is and faces as recon-base and its temporal head tell them, poses fitted.

The head looks at some tenths of a second around each frame, and at what the whole film comes to; a part of the film and
what lies around it are in memory at a time.
"""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.types import HeadArrays
from recon.film.fits import observation_of
from recon.film.met import Met, keyframes_of
from recon.film.motion import LEAST_TRUST, Cutoffs
from recon.film.person import Face, Person, errors_of, fit_frame
from recon.film.rows import Rows
from recon.fitting.certainty import widened
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.layout import Layout
from recon.fitting.observation import View
from recon.fitting.priors import FOCAL_OVER_LONG_SIDE, bounds, prior, tongue_in
from recon.learned.regressor import Regressor
from recon.learned.temporal import Frames, Pooled, Temporal, reaching, refined, stands_for

SMOOTHED = Cutoffs(face=12.0, brows=10.0, lids=18.0, gaze=18.0)
"""Of the spline that poses and gaps need: twice a film's, since the temporal head has smoothed faces already."""


class Glances:
    """What the two networks tell of one person's rows."""

    def __init__(
        self,
        rows: Rows,
        times_s: np.ndarray,  # of the film's frames
        head: HeadArrays,
        layout: Layout,
        base: Regressor,
        temporal: Temporal,
    ):
        self.rows, self.base, self.temporal = rows, base, temporal
        self.time_s = np.asarray(times_s)[rows.frame]
        trusted = rows.trust >= LEAST_TRUST
        self.weight = np.zeros(len(rows))
        self.weight[trusted] = rows.trust[trusted] * stands_for(self.time_s[trusted])
        self.film = self._pooled()
        (self._low, self._high), (_, self._usual) = bounds(head, layout), prior(head, layout)
        self._tongue = tongue_in(head, layout)  # a reader of its own tells it
        self.made_of = (temporal.name, *(value.numpy() for value in vars(self.film).values()))

    def _frames(self, rows: slice) -> Frames:
        told = torch.as_tensor(self.rows.take(np.arange(rows.start, rows.stop)).told)
        return Frames.of(told, torch.as_tensor(self.time_s[rows]), torch.as_tensor(self.weight[rows]).float())

    def _pooled(self) -> Pooled:
        """Of the whole film, in double precision: an hour is a hundred thousand frames."""
        parts = [Pooled.of(self._frames(where)) for _, where in self.rows.stretches()]
        doubles = [Pooled(*(value.double() for value in vars(part).values())) for part in parts]
        whole = sum(doubles[1:], doubles[0])
        return Pooled(*(value.float() for value in vars(whole).values()))

    def at(self, rows: slice) -> list[Face]:
        """The faces of some rows."""
        reach = reaching(self.time_s, rows, self.temporal.config.reach_s)
        found = refined(self.temporal, self._frames(reach), self.film, reach, rows)
        first = self.temporal.config.shape
        mean, sd = self._in_units(found.moving, found.moving_logvar, first)
        tongue = slice(self._tongue.start - first, self._tongue.stop - first)
        mean[:, tongue] = self.rows.take(np.arange(rows.start, rows.stop)).tongue[:, None]
        sd[:, tongue] = self._usual[self._tongue]
        return [Face(m, s) for m, s in zip(mean, sd, strict=True)]

    def identity(self) -> tuple[np.ndarray, np.ndarray]:
        """[S] and its deviations, in SD."""
        found = refined(self.temporal, self._frames(slice(0, 1)), self.film, slice(0, 1), slice(0, 1))
        mean, sd = self._in_units(found.shape, found.shape_logvar, 0)
        return mean, widened(sd, self._usual[: len(sd)])

    def _in_units(self, mean: torch.Tensor, logvar: torch.Tensor, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Scaled parameters from the `first` on -> their own units, within bounds; and deviations."""
        where, scale = slice(first, first + mean.shape[-1]), self.base.scale
        values = (scale.mean[where] + mean * scale.sd[where]).double().numpy()
        sd = (scale.sd[where] * torch.exp(0.5 * logvar)).double().numpy()
        return np.clip(values, self._low[where], self._high[where]), sd


def met_at_a_glance(
    rows: Rows,
    times_s: np.ndarray,  # of the film's frames
    view: View,
    head: HeadArrays,
    model: LandmarkModel,
    base: Regressor,
    temporal: Temporal,
    count: int,  # of keyframes that tell the errors, at landmarks that the poses have seen
) -> Met:
    """As the networks tell."""
    glances = Glances(rows, times_s, head, model.layout, base, temporal)
    shape, shape_sd = glances.identity()
    focal = view.focal_px or FOCAL_OVER_LONG_SIDE * max(view.size)
    person = Person(shape, shape_sd, float(np.log(focal)), model.of_person(shape), [])
    chosen = keyframes_of(rows, count)
    readings, off = rows.take(chosen), []
    for i, row in enumerate(chosen):
        seen, (face,) = observation_of(readings, i, view), glances.at(slice(int(row), int(row) + 1))
        off.append(errors_of(person.model, fit_frame(head, person, seen, face=face).unknowns, seen))
    return Met(person, np.stack(off), "recon-base, recon-temporal", "recon-base", glances, SMOOTHED)
