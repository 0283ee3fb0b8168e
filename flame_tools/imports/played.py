"""What an animated file plays, whatever its format: weights of named shapes, and how joints turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from flame_tools.frame_rate import USUAL, even_rate, frames_between, on_grid

_TURNS = 1e-4  # radians that a joint turns at least, to count as moved


@dataclass(frozen=True)
class Joint:
    """How one joint stands in its parent, beside its rest, in the head's axes."""

    turns: np.ndarray  # [T, 4] quaternions (x, y, z, w)
    shift: np.ndarray  # [T, 3] metres from where it is bound

    def moves(self) -> bool:
        return bool(np.linalg.norm(self.turns[:, :3], axis=-1).max() > _TURNS / 2)


@dataclass(frozen=True)
class Played:
    """A clip sampled at T frames."""

    source: str  # for messages
    clip: str  # its name; "" for a file that stands still
    times_s: np.ndarray  # [T] float64
    rate: Fraction | None  # frames a second where they come evenly
    weights: dict[str, np.ndarray]  # shape's name, as the file has it -> [T]; of one name in several meshes the first
    sizes: dict[str, float] = field(default_factory=dict)  # of shapes: how far the farthest vertex goes, metres
    joints: dict[str, Joint] = field(default_factory=dict)  # by name, parents first
    points: np.ndarray | None = None  # [V, 3] metres at rest, in the order of the head; NaN where the file has none
    head_id: str | None = None  # the head it was made on, where it says so
    licences: tuple[str, ...] = ()
    textured: bool = False  # its materials have pictures
    relief: bool = False  # they have a normal map
    albedo: np.ndarray | None = None  # [H, W, 3] uint8 sRGB, the picture itself where it is read


def frames_of(
    keys: list[np.ndarray],  # the times of each curve's keys, seconds, increasing
    *,
    slack_s: float,  # how exactly the file knows them
    fps: Fraction | None,  # wanted; None: the file's own
    stated: Fraction | None,  # the rate that the file states
    source: str,
) -> tuple[np.ndarray, Fraction | None]:
    """The times [T] at which to sample a clip, and their rate.

    The keys themselves, where all curves share them; else the frames of the rate on which all keys lie, else of the
    stated one, else 60 a second.
    """
    keys = [key for key in keys if len(key)]
    if not keys:
        return np.zeros(1), fps
    start, end = min(float(key[0]) for key in keys), max(float(key[-1]) for key in keys)
    if fps is not None:
        return frames_between(start, end, fps, source), fps
    likely = () if stated is None else (stated,)
    if all(len(key) == len(keys[0]) and np.abs(key - keys[0]).max() <= slack_s for key in keys):
        rate = even_rate(keys[0], slack_s=slack_s, likely=likely)
        if rate is None:
            return np.asarray(keys[0], np.float64), None
        first = round(float(keys[0][0]) * rate) / rate  # the frame that it means, where it means one
        begin = float(first) if abs(float(first) - keys[0][0]) <= slack_s else float(keys[0][0])
        return on_grid(begin, len(keys[0]), rate), rate
    every = np.unique(np.concatenate(keys))
    rates = (*likely, *USUAL)
    rate = next((r for r in rates if _on_frames(every - start, r, slack_s)), stated or Fraction(60))
    return frames_between(start, end, rate, source), rate


def action(clip: str) -> str:
    """What a clip is called without the objects that programs put before it: Armature|talk and Key|talk are one."""
    return clip.rsplit("|", 1)[-1]


def _on_frames(seconds: np.ndarray, rate: Fraction, slack_s: float) -> bool:
    frames = seconds * float(rate)
    return bool(np.abs(frames - np.rint(frames)).max() <= slack_s * float(rate) + 1e-9)
