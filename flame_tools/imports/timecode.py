"""Timecodes of a recording: the rate that they count at, and the seconds that they stand for.

HH:MM:SS:FF, with a point and parts of a frame behind it where the writer knows them, as Live Link Face does. FF starts
again at 0 with each second, so the rate shows where a second ends. Drop-frame timecode (SMPTE ST 12-1; Unreal's
FTimecode) counts NTSC's frames, 1000/1001 as fast, by whole numbers and leaves out the first two of a minute (four at
60), but not in minutes 0, 10, 20, ...; it is written HH:MM:SS;FF or shows by what it leaves out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flame_tools.errors import FormatError, InputError

_CODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})([:;])(\d{1,3}(?:\.\d{1,9})?)")
_SECONDS = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2}[.,]\d{1,9})")
_USUAL = (24, 25, 30, 48, 50, 60, 100, 120)
ASSUMED = 60  # the app's own rate, where a clip ends before a second does
_DAY_S = 86_400
_SAME = 2e-3  # of a frame: what thousandths leave of an even step


@dataclass(frozen=True)
class Clock:
    """What a column of timecodes says."""

    seconds: np.ndarray  # [T] float64 since midnight; beyond a day where the recording passes it
    counts: int  # frames that a second of timecode has
    rate: Fraction  # frames a second
    assumed: bool  # whether nothing in the file says it


def read_clock(codes: list[str], *, rate: Fraction | None = None) -> Clock:
    """Seconds of timecodes, of which there is at least one.

    `rate` is what the recording was set to, such as 30 or 30000/1001; None: found. Raises FormatError, with the number
    of the first bad code from 1, where one is no timecode, and InputError where `rate` does not fit them.
    """
    if all(_SECONDS.fullmatch(code) for code in codes):
        return _plain_seconds(codes, rate)
    rows, semicolons = np.zeros((len(codes), 4)), False
    for i, code in enumerate(codes):
        if not (found := _CODE.fullmatch(code)):
            raise FormatError(f"timecode {i + 1} is {code[:40]!r}, wanted HH:MM:SS:FF or HH:MM:SS:FF.fff")
        hours, minutes, seconds, colon, frame = found.groups()
        rows[i] = int(hours), int(minutes), int(seconds), float(frame)
        semicolons |= colon == ";"
    whole = rows[:, 0] * 3600 + rows[:, 1] * 60 + rows[:, 2]
    whole += _DAY_S * np.concatenate([[0], np.cumsum(np.diff(whole) < -_DAY_S / 2)])
    frame = rows[:, 3]
    if rate is None:
        counts, assumed = _counted(whole, frame)
    else:
        counts, assumed = max(round(rate), 1), False
        if frame.max() >= counts:
            raise InputError(f"timecodes count {frame.max():g} frames a second, more than the rate {float(rate):g}")
    drops = 2 * counts // 30 if counts in (30, 60, 120) else 0
    if drops and (semicolons or _leaves_out(whole, frame, drops)):
        minutes = whole // 60
        number = whole * counts + frame - drops * (minutes - minutes // 10)
        return Clock(number * 1001 / (1000 * counts), counts, Fraction(1000 * counts, 1001), assumed)
    if rate is not None and rate.denominator != 1 and _even_by_one(whole * counts + frame):
        # every frame of a fractional rate has a number of its own: seconds of timecode are longer than seconds
        return Clock((whole * counts + frame) * rate.denominator / rate.numerator, counts, rate, assumed)
    return Clock(whole + frame / counts, counts, Fraction(counts) if rate is None else rate, assumed)


def _plain_seconds(codes: list[str], rate: Fraction | None) -> Clock:
    """HH:MM:SS.fff, as other programs write."""
    parts = [re.split(r":", code.replace(",", ".")) for code in codes]
    seconds = np.array([int(h) * 3600 + int(m) * 60 + float(s) for h, m, s in parts])
    seconds += _DAY_S * np.concatenate([[0], np.cumsum(np.diff(seconds) < -_DAY_S / 2)])
    return Clock(seconds, ASSUMED, rate or Fraction(ASSUMED), False)


def _counted(whole: np.ndarray, frame: np.ndarray) -> tuple[int, bool]:
    """How many frames a second of timecode has, and whether that is a guess."""
    most = int(frame.max()) + 1
    steps, turns = np.diff(frame), np.diff(whole) == 1
    inside = steps[np.diff(whole) == 0]
    inside = inside[inside > 0]
    if not turns.any() or not len(inside):
        return (ASSUMED if most <= ASSUMED else _usual(most)), True
    step = float(np.median(inside))
    ends = frame[:-1][turns] + step - frame[1:][turns]
    regular = np.abs(inside - step).max() < _SAME and np.abs(ends - ends[0]).max() < 2 * _SAME
    found = max(round(float(np.median(ends))), most)
    return (found if regular and len(ends) > 1 else _usual(found)), False


def _usual(least: int) -> int:
    """A usual rate of at least `least`, where one is at most two frames off (a frame may be missing where a second
    ends), else `least`."""
    return next((usual for usual in _USUAL if least <= usual <= least + 2), least)


def _leaves_out(whole: np.ndarray, frame: np.ndarray, drops: int) -> bool:
    """Whether every minute that drop-frame timecode shortens begins at the frame `drops`."""
    begins = (np.diff(whole) == 1) & (whole[1:] % 60 == 0) & (whole[1:] // 60 % 10 != 0)
    return bool(begins.any() and (frame[1:][begins] >= drops).all() and (frame[1:][begins] < drops + 1).all())


def _even_by_one(numbers: np.ndarray) -> bool:
    return len(numbers) > 1 and abs(float(np.median(np.diff(numbers))) - 1) < 5e-4
