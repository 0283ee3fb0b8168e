"""Key moments: the frames at which a mouth arrives somewhere, chosen from phones with times.

A phone is held at the centres of its postures (animate.visemes: one, or two for a diphthong). Where two are nearer than
a few frames the one that lips insist on stays: closures and lip to teeth first, then rounding, then vowels. The first
and the last frame are moments too, and no two moments are far apart.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from animate.encoder.corpus import PHONE_INDEX, PHONES
from animate.textgrid import intervals
from animate.visemes import BILABIAL, LABIODENTAL, SILENCE, VISEMES, VOWELS, plain
from flame_tools.errors import InputError
from flame_tools.types import Intervals

_ROUNDED = frozenset(("W", "UW", "OW", "SH", "ZH", "CH", "JH"))


@dataclass(frozen=True)
class Spacing:
    """How near and how far moments may be."""

    nearest: int = 3
    """Frames from one to the next, at least."""
    farthest: int = 12
    """Frames from one to the next, at most."""

    def __post_init__(self):
        if not 1 <= self.nearest <= self.farthest // 2:
            raise InputError(
                f"moments {self.nearest} to {self.farthest} frames apart cannot be; wanted a nearest of 1 or more, and "
                "a farthest of twice that or more"
            )


def _rank(name: str) -> int:
    """What gives way to what: less stays."""
    if name in BILABIAL | LABIODENTAL:
        return 0
    if name in _ROUNDED:
        return 1
    return 2 if name in VOWELS else 3


def moments(phones: Intervals, frames: int, fps: float, spacing: Spacing = Spacing()) -> np.ndarray:
    """Frames [K] int64, rising, of `frames` at `fps` a second: 0, the key moments, the last."""
    if frames < 1:
        raise InputError("there is no frame to choose moments of")
    wanted = []  # (rank, frame)
    for name, start, end in zip(phones.names, phones.start_s, phones.end_s, strict=True):
        name = plain(name)
        for posture in VISEMES.get(name, ()):
            at = round((start + (posture.start + posture.end) / 2 * (end - start)) * fps)
            if 0 <= at < frames:
                wanted.append((_rank(name), at))
    taken = np.zeros(frames, bool)  # too near to one that stays
    chosen = []
    for _, at in [(-1, 0), (-1, frames - 1), *sorted(wanted)]:
        if at in (0, frames - 1) or not taken[at]:
            chosen.append(at)
            taken[max(at - spacing.nearest + 1, 0) : at + spacing.nearest] = True
    return without_gaps(np.unique(chosen), spacing.farthest)


def without_gaps(places: np.ndarray, farthest: int) -> np.ndarray:
    """Rising places with others evenly between those that are further apart than `farthest`."""
    parts = [places[:1]]
    for low, high in itertools.pairwise(places):
        steps = -(-(high - low) // farthest)
        parts.append(low + (high - low) * np.arange(1, steps + 1) // steps)
    return np.concatenate(parts).astype(np.int64)


def said_at(phones: Intervals, frames: int, fps: float) -> np.ndarray:
    """Phone [T] int64 at each frame, into encoder.corpus.PHONES; silence where nothing is, -1 where it is unknown."""
    said = np.full(frames, PHONE_INDEX[SILENCE], np.int64)
    for name, start, end in zip(phones.names, phones.start_s, phones.end_s, strict=True):
        rows = slice(*(int(np.clip(np.ceil(edge * fps - 1e-6), 0, frames)) for edge in (start, end)))
        said[rows] = PHONE_INDEX.get(plain(name), -1)
    return said


def tier_of(said: np.ndarray, fps: float) -> Intervals:
    """The tier that phones at frames [T] came from, as well as frames know it; unknown ones are SPN."""
    edges = np.flatnonzero(np.diff(said, prepend=-2, append=-2))
    names = ["SPN" if said[at] < 0 else PHONES[said[at]] for at in edges[:-1]]
    return intervals(zip(names, (edges[:-1] - 0.5) / fps, (edges[1:] - 0.5) / fps, strict=True))
