"""Where a speaker leans on a word: peaks of pitch and loudness, which brows, lids and head go with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animate.speech import HOP_S, Prosody

APART_S = 0.45  # at least, from one accent to the next


@dataclass(frozen=True)
class Accents:
    """Accented moments in order of time."""

    time_s: np.ndarray  # [n]
    strength: np.ndarray  # [n] in [0, 1]

    def __len__(self) -> int:
        return len(self.time_s)


def find_accents(prosody: Prosody) -> Accents:
    """Peaks of a prominence curve (pitch above its neighbourhood, loudness above its own), at least APART_S apart."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    voiced = np.isfinite(prosody.f0_hz)
    if voiced.sum() < 10:
        return Accents(np.zeros(0), np.zeros(0))
    frames = np.arange(len(prosody))
    semitones = 12 * np.log2(np.interp(frames, frames[voiced], prosody.f0_hz[voiced]) / 100.0)
    near, far = 0.06 / HOP_S, 0.8 / HOP_S
    pitch = gaussian_filter1d(semitones, near) - gaussian_filter1d(semitones, far)
    loud = np.maximum(prosody.loudness_db, -35.0)
    loud = gaussian_filter1d(loud, near) - gaussian_filter1d(loud, far)
    audible = gaussian_filter1d(((prosody.loudness_db > -22) & voiced).astype(float), near)
    prominence = (np.clip(pitch / 4.0, -1, 1.5) + np.clip(loud / 10.0, -1, 1.5)) * audible
    peaks, _ = find_peaks(prominence, height=0.35, distance=round(APART_S / HOP_S))
    return Accents(peaks * HOP_S, np.clip((prominence[peaks] - 0.2) / 1.4, 0.0, 1.0))


def bumps(times: np.ndarray, centres: np.ndarray, heights: np.ndarray, rise_s: float, fall_s: float) -> np.ndarray:
    """Sum of smooth bumps [T], each rising for `rise_s` before its centre and falling for `fall_s` after it."""
    out = np.zeros(len(times))
    for centre, height in zip(centres, heights, strict=True):
        rows = slice(np.searchsorted(times, centre - rise_s), np.searchsorted(times, centre + fall_s))
        t = times[rows] - centre
        u = np.clip(1 - np.where(t < 0, -t / rise_s, t / fall_s), 0, 1)
        out[rows] = np.maximum(out[rows], height * u * u * u * (10 - 15 * u + 6 * u * u))
    return out
