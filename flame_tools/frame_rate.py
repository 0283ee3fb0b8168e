"""Rates, and the times of frames at them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flame_tools.errors import FormatError, InputError

MAX_FRAMES = 2_000_000  # nine hours at 60 a second
_WHOLE = tuple(Fraction(n) for n in (24, 25, 30, 48, 50, 60, 100, 120))
USUAL = (*_WHOLE, *(Fraction(1000 * n, 1001) for n in (24, 30, 48, 60, 120)))


def rational(fps: float | str | tuple[int, int] | Fraction) -> Fraction:
    """A rate as a fraction: 29.97 and 59.94 stand for thousandths of 1001. Raises InputError unless it is positive."""
    try:
        rate = Fraction(*fps) if isinstance(fps, tuple) else Fraction(fps)
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise InputError(f"fps is {fps}, wanted a rate above 0 and at most 1000, such as 30 or (30000, 1001)")
    ntsc = Fraction(1000 * round(rate * 1001 / 1000), 1001)
    if rate.denominator != 1 and abs(rate - ntsc) < Fraction(5, 1000):
        return ntsc
    return rate.limit_denominator(1001)


def even_rate(seconds: np.ndarray, *, slack_s: float, likely: tuple[Fraction, ...] = ()) -> Fraction | None:
    """The rate of frames that come evenly, [T] seconds known to within `slack_s`; None where they do not, or are one.

    Of the rates that fit, one of those named `likely`, else the simplest usual one, else a whole number, else the
    nearest with thousandths.
    """
    if len(seconds) < 2:
        return None
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1)
    if step <= 0 or 1 / step > 100_000:
        return None
    nearest = (Fraction(round(1 / step)), Fraction(1 / step).limit_denominator(1001))
    for rate in (*likely, *USUAL, *nearest):
        if rate > 0 and np.abs(on_grid(seconds[0], len(seconds), rate) - seconds).max() <= slack_s:
            return rate
    return None


def on_grid(start_s: float, frames: int, rate: Fraction) -> np.ndarray:
    """Times [T] of frames at a rate, float64."""
    return start_s + np.arange(frames) * rate.denominator / rate.numerator


def frames_between(start_s: float, end_s: float, rate: Fraction, source: str) -> np.ndarray:
    """Times [T] of the frames from `start_s` to `end_s`. Raises FormatError where these are too many to hold."""
    count = (end_s - start_s) * float(rate) + 1e-3
    if not 0 <= count < MAX_FRAMES:
        raise FormatError(f"{source} lasts {end_s - start_s:.6g} s, more than {MAX_FRAMES:,} frames: cut it")
    return on_grid(start_s, int(count) + 1, rate)
