"""How an emotion that is asked for in a word comes and goes: onset, apex, offset.

A face that holds one expression while it talks is a mask. Felt expressions rise before the voice sets in, peak where
the voice leans on a word, ebb between, and sink in pauses; onset, apex and offset are terms of FACS (Ekman & Friesen
1978). What is asked for is the apex.
"""

from __future__ import annotations

import numpy as np

from animate.emphasis import bumps, find_accents
from animate.speech import HOP_S, Prosody, pauses

_SPEAKING, _RESTING = 0.80, 0.58  # of what is asked for: between accents, and in long pauses
_LEAD_S = 0.25  # by which a feeling is there before its words
_RISE_S, _FALL_S = 0.35, 0.70  # to and from an apex
_SINK_S = 0.55  # in which a pause takes 63 % of what it takes
_LONG_PAUSE_S = 0.6
_STEP_S = 0.02


def lived(asked: np.ndarray, prosody: Prosody, times: np.ndarray) -> np.ndarray:
    """Intensities [T, 8] at times [T] in seconds, which rise to those asked for, [8] in [0, 1]."""
    return course(prosody, times)[:, None] * asked


def course(prosody: Prosody, times: np.ndarray) -> np.ndarray:
    """Factor [T] in [0, 1] on an emotion: 0.58 in long pauses, 0.8 while speaking, 1 where the voice leans the most."""
    from scipy.ndimage import gaussian_filter1d

    grid = np.arange(round(float(times[-1]) / _STEP_S) + 2) * _STEP_S
    level = np.full(len(grid), _SPEAKING)
    for start, end in pauses(prosody, shortest_s=_LONG_PAUSE_S):
        spoken_before, spoken_after = start > 0.0, end < HOP_S * len(prosody)
        rows = slice(np.searchsorted(grid, start), np.searchsorted(grid, end - _LEAD_S) if spoken_after else None)
        sunk = 1 - np.exp(-(grid[rows] - start) / _SINK_S) if spoken_before else 1.0
        level[rows] += (_RESTING - _SPEAKING) * sunk
    level = gaussian_filter1d(level, 0.15 / _STEP_S, mode="nearest")
    accents = find_accents(prosody)
    apex = bumps(grid, accents.time_s, 0.4 + 0.6 * accents.strength, _RISE_S, _FALL_S)
    return np.interp(times, grid, level + (1 - level) * apex)
