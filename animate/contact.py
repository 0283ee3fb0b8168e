"""Lips that meet: bilabial closures made exact on the head at hand, for any identity and any emotion.

The lip gap is measured on the mesh (`flame_tools.lips.Lips`), so that no linearisation stands between the promise and
what is seen. `mouthClose` undoes what jaw and lips have opened: one unknown per frame, found by the secant method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animate.visemes import BILABIAL, LABIODENTAL, OPEN_VOWELS, SILENCE, plain
from flame_tools.arkit import INDEX
from flame_tools.lips import Lips
from flame_tools.smooth import smooth_step
from flame_tools.types import Intervals

_EVEN_MM = 0.7  # widest gap that a closure may leave anywhere; above it, what holds the lips apart fades
_APART_MM = 1.5  # mean central gap that is left at least where lips must not meet
_BEFORE_S, _AFTER_S = 0.065, 0.050  # closing and release
# Shapes that open lips unevenly along their width, or hold them apart
_UNEVEN = tuple(
    INDEX[name]
    for name in (
        "mouthFunnel", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight",
        "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthStretchLeft",
        "mouthStretchRight", "mouthDimpleLeft", "mouthDimpleRight", "noseSneerLeft", "noseSneerRight", "mouthLeft",
        "mouthRight", "jawLeft", "jawRight",
    )
)  # fmt: skip
_CLOSE, _LOWER = INDEX["mouthClose"], [INDEX["mouthLowerDownLeft"], INDEX["mouthLowerDownRight"]]


@dataclass(frozen=True)
class Closures:
    """Where lips must be shut, as seen by a track's frames."""

    hold: np.ndarray  # [T] in [0, 1]; 1 at frames where lips must be shut, ramps around them
    limit: np.ndarray  # [T] in [0, 1]; how far closing may go where lips must not meet
    apart: np.ndarray  # [T] bool; where they must not meet, whatever moves them
    silent: np.ndarray  # [T] bool; where nothing is said


def closures(phones: Intervals, times: np.ndarray) -> Closures:
    """Closing demands of /p b m/ at frame times [T]; each gets at least the frame nearest to its middle.

    Lips gain speed until they meet, and do not slow down before: at the instant of closure both are near their peak
    velocity (Löfqvist & Gracco, 131st meeting of the ASA, 1996, doi 10.1121/1.415541). With a smooth step, half of the
    gap was closed 19 to 22 ms before the segment began (medians on LibriSpeech 8226, TextGrids), so it is 13 to 15.
    """
    hold, limit = np.zeros(len(times)), np.ones(len(times))
    apart, silent = np.zeros((2, len(times)), bool)
    names = [plain(name) for name in phones.names]
    for i, (name, start, end) in enumerate(zip(names, phones.start_s, phones.end_s, strict=True)):
        if name in BILABIAL:
            # A stop's last part is its burst: lips part before the segment ends.
            stop = end - min(0.025, 0.35 * (end - start)) if name != "M" else end - 0.1 * (end - start)
            middle = (start + stop) / 2
            key = times[int(np.argmin(np.abs(times - middle)))] if len(times) else middle
            first, last = min(start + 0.15 * (stop - start), key), max(stop, key)
            before, after = _ramp(phones, names, i - 1, _BEFORE_S), _ramp(phones, names, i + 1, _AFTER_S)
            rows = slice(np.searchsorted(times, first - before), np.searchsorted(times, last + after, "right"))
            t = times[rows]
            rise = np.clip((t - first + before + 1e-9) / before, 0, 1)
            fall = smooth_step((last + after - t + 1e-9) / after)
            hold[rows] = np.maximum(hold[rows], np.minimum(rise**2, fall))
        elif name != SILENCE and name not in LABIODENTAL:
            if end - start >= 0.055:
                quarter = (end - start) / 4
                rows = slice(np.searchsorted(times, start + quarter), np.searchsorted(times, end - quarter, "right"))
                limit[rows] = np.minimum(limit[rows], 0.45 if name in OPEN_VOWELS else 0.60)
            apart[np.searchsorted(times, start) : np.searchsorted(times, end)] = True
        elif name == SILENCE:
            silent[np.searchsorted(times, start) : np.searchsorted(times, end)] = True
    return Closures(hold, limit, apart & (hold < 0.5), silent)


def _ramp(phones: Intervals, names: list[str], i: int, wanted: float) -> float:
    """How long lips may take to close or part next to phone i: a short neighbour leaves less."""
    if not 0 <= i < len(names) or names[i] == SILENCE:
        return wanted
    return float(np.clip(0.6 * (phones.end_s[i] - phones.start_s[i]), 0.02, wanted))


def closed_by(weights: np.ndarray, lips: Lips) -> np.ndarray:
    """How far mouthClose closes what the rest of the weights [T, 52] has opened: [T] in [0, 1], `seal`'s `closing`."""
    gap = lips.gaps_of_weights_mm(weights).min(1)
    rest = weights.copy()
    rest[:, _CLOSE] = 0.0
    opened = lips.gaps_of_weights_mm(rest).min(1) - lips.aim_mm
    share = 1 - (gap - lips.aim_mm) / np.maximum(opened, 1e-6)
    return np.where(opened > _EVEN_MM, np.clip(share, 0.0, 1.0), 0.0)


def led(own: np.ndarray, hold: np.ndarray) -> np.ndarray:
    """Closing [T] of a mouth that closes by itself (`own`, [T] in [0, 1]) and is led into closures by `hold` [T].

    On the way into a closure it goes on from where it is when `hold` begins to rise, and comes no earlier than that.
    """
    rising = np.diff(hold, prepend=hold[:1]) > 0
    base = own[np.maximum.accumulate(np.where(rising, 0, np.arange(len(own))))]
    return np.maximum(np.where(rising, np.minimum(own, base + (1 - base) * hold), own), hold)


def seal(
    weights: np.ndarray,  # [T, 52] everything that moves the mouth, mouthClose at 0
    closing: np.ndarray,  # [T] in [0, 1] how far lips close what the rest has opened; 1 is shut
    lips: Lips,
) -> np.ndarray:  # [T, 52]
    """Set mouthClose so that the narrowest central gap is (1 - closing) of what it was; at 1 all of them are shut."""
    base = weights.copy()
    base[:, _CLOSE] = 0.0
    shut = np.flatnonzero(closing > 0.999)
    fade = np.ones(len(base))
    for _ in range(10):
        sealed = base.copy()
        sealed[:, _UNEVEN] *= _spread(fade)[:, None]
        _close(sealed, closing, lips)
        uneven = lips.gaps_of_weights_mm(sealed[shut]).max(1) > _EVEN_MM if len(shut) else np.zeros(0, bool)
        if not uneven.any():
            break
        fade[shut[uneven]] *= 0.55
    return sealed


def part(
    weights: np.ndarray,  # [T, 52] of `seal`
    wanted: Closures,
    lips: Lips,
) -> np.ndarray:  # [T, 52]
    """Open lips by mouthLowerDown where they must not meet and are all but shut, as a Z between closed teeth may be."""
    apart = np.flatnonzero(wanted.apart)
    if not len(apart):
        return weights
    out, lack = weights.copy(), np.zeros(len(weights))
    for _ in range(2):
        lack[apart] = np.maximum(_APART_MM - lips.gaps_of_weights_mm(out[apart]).mean(1), 0.0)
        if not lack.any():
            break
        # About 4 mm a unit of both sides. Neighbours follow in part: less in silence, not where they are to be shut.
        more = (1 - _spread(np.clip(1 - lack / 4.0, 0.0, 1.0))) * (1 - wanted.hold)
        more[wanted.silent] *= 0.4
        out[:, _LOWER] = np.minimum(out[:, _LOWER] + more[:, None], 1.0)
    return out


def _spread(fade: np.ndarray) -> np.ndarray:
    """A fade reaches its neighbours in part, so that nothing snaps from one frame to the next."""
    out, count = fade.copy(), len(fade)
    for reach, share in ((1, 0.7), (2, 0.35), (3, 0.1)):
        padded = 1 - share * (1 - np.pad(fade, reach, constant_values=1.0))
        out = np.minimum(out, np.minimum(padded[:count], padded[2 * reach :]))
    return out


def _close(weights: np.ndarray, closing: np.ndarray, lips: Lips) -> None:
    """Solve mouthClose (or, where lips cross at rest, mouthLowerDown) in place, frame by frame."""
    active = np.flatnonzero(closing > 1e-3)
    if not len(active):
        return
    rows = weights[active]
    start = lips.gaps_of_weights_mm(rows).min(1)
    goal = lips.aim_mm + (1 - closing[active]) * (start - lips.aim_mm)
    crossed = start < lips.aim_mm - 0.2
    position, residual = np.zeros(len(rows)), start - goal
    slope = np.full(len(rows), -36.0)  # mm per unit of mouthClose, a first guess
    for _ in range(5):
        # Lips that cross open by mouthLowerDown, about 4 mm a unit.
        step = np.where(crossed, residual / 4.0, residual / slope)
        moved = np.clip(position - step, 0.0, 1.0)
        trial = rows.copy()
        trial[:, _CLOSE] = np.where(crossed, 0.0, moved)
        trial[:, _LOWER] = np.minimum(rows[:, _LOWER] + np.where(crossed, moved, 0.0)[:, None], 1.0)
        found = lips.gaps_of_weights_mm(trial).min(1) - goal
        change = moved - position
        steep = np.abs(change) > 1e-6
        slope = np.where(steep & ~crossed, np.minimum((found - residual) / np.where(steep, change, 1), -5.0), slope)
        position, residual = moved, found
        if np.abs(residual).max() < 0.01:
            break
    weights[active] = trial
