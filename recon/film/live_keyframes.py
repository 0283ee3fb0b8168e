"""Keyframes as they come: the pictures that tell most of a person so far, of which there are never more than a few."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recon.film.keyframes import plain
from recon.fitting.observation import Observation

NEW = 0.05  # distance between faces of unit size from which one shows something new; a network's tremble: 0.02
PAUSE_S = 1.0  # after which a face that shows little new is taken, too: errors of pictures average out
BETTER = 1.1  # how much farther from all others than two of them are from each other


@dataclass
class LiveKeyframes:
    """At most `most` pictures of one person, as far from one another as those that came allow."""

    most: int
    seen: list[Observation] = field(default_factory=list)
    faces: list[np.ndarray] = field(default_factory=list)  # [n] of recon.film.keyframes.plain
    like: np.ndarray | None = None  # [468, 2] by which all are turned
    taken_s: float = -np.inf
    changes: int = 0  # since the person was met from them

    def offer(self, one: Observation, time_s: float) -> bool:
        """Take a picture if it tells more than those that are there, in place of one of them where there are enough."""
        if self.like is None:
            self.like = one.landmarks
        face = plain(one.landmarks[None], self.like)[0]
        apart = np.array([np.linalg.norm(face - other) for other in self.faces])
        if len(self.seen) < self.most:
            if len(apart) and apart.min() < NEW and time_s - self.taken_s < PAUSE_S:
                return False
        else:
            place = self._in_place_of(apart)
            if place is None:
                return False
            del self.seen[place], self.faces[place]
        self.seen.append(one)
        self.faces.append(face)
        self.taken_s = time_s
        self.changes += 1
        return True

    def _in_place_of(self, apart: np.ndarray) -> int | None:
        """Which picture to leave out for one that lies `apart` [n] from them: one of the two that are most alike."""
        between = np.array([[np.linalg.norm(a - b) for b in self.faces] for a in self.faces])
        np.fill_diagonal(between, np.inf)
        if apart.min() < BETTER * between.min():
            return None
        pair = np.unravel_index(int(between.argmin()), between.shape)
        second = [np.partition(between[place], 1)[1] for place in pair]
        return int(pair[int(np.argmin(second))])
