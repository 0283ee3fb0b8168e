"""Eyes that live: blinks at the rate and with the shape of people's, fixations and saccades, brows that stress.

Blinks: intervals are log-normal about 3.2 s, between the 17 a minute of rest and the 26 of conversation (Bentivoglio et
al. 1997), and drawn to phrase ends; lids close in about 100 ms and open in 200. Saccades last 21 ms + 2.2 ms a degree
(Bahill et al. 1975), fixations 0.5 to 4 s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from animate.chance import generator
from animate.emphasis import Accents, bumps
from flame_tools.smooth import smooth_step

_CLOSING_S, _SHUT_S, _OPENING_S = 0.095, 0.035, 0.200
_MEAN_S, _SPREAD, _SHORTEST_S, _LONGEST_S = 3.2, 0.55, 0.8, 6.0


@dataclass(frozen=True)
class Blink:
    start_s: float
    depth: float  # 1 shuts the lids, less is a partial blink

    @property
    def end_s(self) -> float:
        return self.start_s + _CLOSING_S + _SHUT_S + _OPENING_S


def plan_blinks(
    duration_s: float,
    phrase_ends_s: np.ndarray,
    *,
    pace: Callable[[float], float] = lambda at: 1.0,
    seed: int | tuple[int, ...] = 0,
) -> tuple[Blink, ...]:
    """Blinks of a recording; one that falls due near a phrase's end waits for it. An only blink is a full one.

    `pace` is a factor above 0 on their rate at a time in seconds. Alone in a short clip a partial blink looks like
    drowsiness.
    """
    random = generator(seed, "blinks")
    blinks, at = [], random.uniform(0.6, 2.2)
    while at < duration_s - 0.1:
        near = phrase_ends_s[np.abs(phrase_ends_s - at) < 0.7]
        start = float(near[np.argmin(np.abs(near - at))]) if len(near) and random.random() < 0.75 else at
        start = at if blinks and start - blinks[-1].start_s <= _SHORTEST_S else start
        partial = random.random() < 0.12
        blinks.append(Blink(start, random.uniform(0.45, 0.7) if partial else 1.0))
        # The mean of a log-normal is exp(mu + sigma^2 / 2).
        wait = random.lognormal(np.log(_MEAN_S) - _SPREAD**2 / 2, _SPREAD)
        at = max(at, start) + float(np.clip(wait, _SHORTEST_S, _LONGEST_S)) / pace(start)
    return tuple(blinks) if len(blinks) != 1 else (dataclasses.replace(blinks[0], depth=1.0),)


def lid_closure(blinks: tuple[Blink, ...], times: np.ndarray) -> np.ndarray:
    """Lid closure [T] in [0, 1] at frame times. Lids shut faster than they open."""
    out = np.zeros(len(times))
    for blink in blinks:
        shut = blink.start_s + _CLOSING_S
        # The frame nearest to the moment of closure sees it, or a 25 fps film would show lids that never meet.
        key = times[int(np.argmin(np.abs(times - shut - _SHUT_S / 2)))]
        low, high = min(shut, key), max(shut + _SHUT_S, key)
        rows = slice(np.searchsorted(times, blink.start_s), np.searchsorted(times, high + _OPENING_S))
        t = times[rows]
        falling = smooth_step((t - blink.start_s) / max(low - blink.start_s, 1e-6))
        rising = smooth_step((high + _OPENING_S - t) / _OPENING_S)
        out[rows] = np.maximum(out[rows], blink.depth * np.minimum(falling, rising))
    return out


def gaze(
    times: np.ndarray,
    pauses_s: list[tuple[float, float]],
    *,
    away: Callable[[float], float] = lambda at: 1.0,
    seed: int | tuple[int, ...] = 0,
) -> np.ndarray:
    """Where the eyes look [T, 2]: radians down and to the subject's left of the camera.

    Mostly at the camera with tiny shifts; looks away now and then, more often in pauses. `away` is a factor on how
    often at a time in seconds.
    """
    random = generator(seed, "gaze")
    duration = float(times[-1]) if len(times) else 0.0
    at, here, moves = random.uniform(0.2, 0.8), np.zeros(2), []
    while at < duration:
        pausing = any(a - 0.2 <= at <= b for a, b in pauses_s)
        gone = np.hypot(*here) > np.radians(2.5)
        if not gone and random.random() < (0.5 if pausing else 0.16) * away(at):
            there = np.radians([random.normal(1.0, 2.2), random.normal(0.0, 5.0)])
            stay = random.uniform(0.35, 0.9)
        else:
            there = np.radians(random.normal(0.0, [0.35, 0.7]))
            stay = float(np.clip(random.lognormal(0.1, 0.6), 0.45, 4.0))
        there = np.clip(there, -np.radians(9), np.radians(9))
        moves.append((at, here, there))
        here, at = there, at + stay
    out = np.zeros((len(times), 2))
    edges = np.searchsorted(times, [start for start, _, _ in moves]).tolist()
    for (start, before, after), first, last in zip(moves, edges, [*edges, len(times)][1:], strict=True):
        size = np.degrees(np.hypot(*(after - before)))
        u = np.clip((times[first:last] - start) / (0.021 + 0.0022 * size), 0, 1)[:, None]
        out[first:last] = before + (after - before) * (u * u * u * (10 - 15 * u + 6 * u * u))
    return out


def brows(times: np.ndarray, accents: Accents, *, seed: int | tuple[int, ...] = 0) -> np.ndarray:
    """Brow raise [T] in [0, 1]: a flash on some accents, the stronger the likelier."""
    random = generator(seed, "brows")
    heights = np.array([s * random.uniform(0.5, 1.0) * (random.random() < 0.35 + 0.5 * s) for s in accents.strength])
    return bumps(times, accents.time_s - 0.03, heights, 0.16, 0.34)
