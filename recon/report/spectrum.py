"""Which frequencies a motion holds: Welch's estimate (Welch 1967), from samples that come one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

WINDOW_S = 2.56  # of a segment: a resolution of about 0.4 Hz
FEWEST, MOST = 16, 256  # frames of a segment
MOST_MISSING = 0.25  # share of a segment that may be bridged by straight lines
BANDS_HZ = (0.0, 2.0, 5.0, 10.0, np.inf)  # people nod below 2, speak up to 5 and blink up to 10; above is tremble


@dataclass(frozen=True)
class Power:
    """One-sided power spectral density."""

    hz: np.ndarray  # [F], from 0 on
    power: np.ndarray  # [F] unit^2 / Hz: the mean over the points of the sum over their coordinates
    segments: int

    def bands(self) -> list[dict]:
        """RMS in each band, in the unit of the samples."""
        step = self.hz[1] - self.hz[0]
        found = []
        for low, high in pairwise(BANDS_HZ):
            inside = (self.hz >= low) & (self.hz < high)
            if inside.any():
                top = None if np.isinf(high) or high > self.hz[-1] + step else high
                found.append({"hz": [low, top], "rms": float(np.sqrt(self.power[inside].sum() * step))})
        return found


class Welch:
    """Takes points [P, D] a frame, None where they are unknown; holds one segment."""

    def __init__(self, frames: int, step_s: float):
        self.step_s = step_s
        self.length = int(min(np.clip(round(WINDOW_S / step_s), FEWEST, MOST), frames)) if step_s > 0 else 0
        self.window = np.hanning(self.length + 2)[1:-1]
        self.samples: list[tuple[float, np.ndarray | None]] = []
        self.total = np.zeros(self.length // 2 + 1)
        self.segments = 0

    def add(self, time_s: float, points: np.ndarray | None) -> None:
        if self.length < FEWEST:
            return
        self.samples.append((time_s, None if points is None else np.array(points, np.float64)))
        if len(self.samples) == self.length:
            self._segment()
            self.samples = self.samples[self.length // 2 :]

    def result(self) -> Power | None:
        """None where there was no segment: too few frames, or too many unknown."""
        if not self.segments:
            return None
        hz = np.fft.rfftfreq(self.length, self.step_s)
        return Power(hz, self.total / self.segments, self.segments)

    def _segment(self) -> None:
        known = [(time_s, points) for time_s, points in self.samples if points is not None]
        if len(known) < (1 - MOST_MISSING) * self.length:
            return
        times = np.array([time_s for time_s, _ in known])
        values = np.stack([points for _, points in known])
        even = self.samples[0][0] + self.step_s * np.arange(self.length)
        values = _at(even, times, values.reshape(len(values), -1)).reshape(self.length, *values.shape[1:])
        line = np.stack([np.ones(self.length), np.linspace(-1, 1, self.length)], 1)
        flat = values.reshape(self.length, -1)
        flat = flat - line @ np.linalg.lstsq(line, flat, rcond=None)[0]
        found = np.abs(np.fft.rfft(flat * self.window[:, None], axis=0)) ** 2
        found *= self.step_s / (self.window**2).sum()
        found[1 : (self.length + 1) // 2] *= 2  # what the negative frequencies hold
        self.total += found.reshape(len(found), *values.shape[1:]).sum(2).mean(1)
        self.segments += 1


def _at(even: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values [n, C] at `times` on straight lines to the times `even`."""
    after = np.clip(np.searchsorted(times, even), 1, len(times) - 1)
    share = np.clip((even - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)[:, None]
    return values[after - 1] * (1 - share) + values[after] * share
