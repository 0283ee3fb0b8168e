"""Who somebody in a film is, by the frames that differ most, and how their faces are to be had."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flame_tools.types import HeadArrays
from recon.film.fits import TellsFaces, observation_of
from recon.film.keyframes import candidates, farthest_apart
from recon.film.motion import Cutoffs
from recon.film.person import Person, meet
from recon.film.rows import Rows
from recon.fitting.evaluate import cross_errors
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.observation import View
from recon.pipeline import reader_of


@dataclass(frozen=True)
class Met:
    """A person, and what goes with it."""

    person: Person
    errors: np.ndarray  # [n, 468] of keyframes' landmarks, as shares of the distance between the eyes
    made_by: str
    landmarks: str  # who says where they are
    faces: TellsFaces | None = None  # who tells the frames' faces; they are fitted where None
    cutoffs: Cutoffs = field(default_factory=Cutoffs)


def keyframes_of(rows: Rows, count: int) -> np.ndarray:
    """At most so many of a person's rows, which differ most."""
    chosen = candidates(rows.trust, count)
    return chosen[farthest_apart(rows.take(chosen).landmarks, count)]


def met_by_fit(rows: Rows, view: View, head: HeadArrays, model: LandmarkModel, count: int) -> Met:
    """Fitted to `count` keyframes; the errors are at landmarks that a fit had not seen."""
    readings = rows.take(keyframes_of(rows, count))
    seen = [observation_of(readings, i, view) for i in range(len(readings))]
    person = meet(head, model, seen)
    left_out = cross_errors(head, model, seen, one_camera=True, start=person.keyframes)
    return Met(person, left_out, "recon.film", reader_of(seen[0]))
