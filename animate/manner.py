"""How somebody speaks: how far each articulation goes, and which side of the mouth leads."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np

from animate.chance import generator
from animate.visemes import CHANNELS

# SD of log gain, the largest that still looks like a person. Closing and pressing stay: lips must meet whoever speaks.
_SPREAD = {"jaw": 0.22, "pucker": 0.20, "funnel": 0.20, "spread": 0.30, "upper": 0.30, "lower": 0.25, "forward": 0.30}
_LEAN = 0.05  # SD of the difference between the mouth's sides


@dataclass(frozen=True)
class Manner:
    """One speaker's habits. The default is the table's own articulation."""

    gains: np.ndarray = field(default_factory=lambda: np.ones(len(CHANNELS)))
    """[13] factor on each of visemes.CHANNELS."""
    lean: float = 0.0
    """Share by which the left side goes further than the right."""


def manner_of(speaker: str) -> Manner:
    """Habits that belong to a name: the same name always has the same."""
    random = np.random.default_rng(zlib.crc32(speaker.encode()))
    effort = random.normal(0.0, 0.12)  # some move everything more
    gains = [np.exp(random.normal(effort, _SPREAD[name])) if name in _SPREAD else 1.0 for name in CHANNELS]
    return Manner(np.clip(gains, 0.55, 1.7), float(np.clip(random.normal(0.0, _LEAN), -0.12, 0.12)))


def manner_of_chance(seed: int | tuple[int, ...]) -> Manner:
    """The table's articulation with one side a little ahead of the other, as in every speaker."""
    return Manner(lean=float(generator(seed, "lean").normal(0.0, _LEAN)))
