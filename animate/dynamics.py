"""How an emotion that is asked for in a word comes and goes: onset, apex, offset.

A face that holds one expression while it talks is a mask. Felt expressions rise before the voice sets in, swell with
its phrases, peak where it leans on a word, and sink in pauses; onset, apex and offset are terms of FACS (Ekman &
Friesen 1978). What is asked for is the apex.
"""

from __future__ import annotations

import numpy as np

from animate.emphasis import bumps, find_accents
from animate.silences import silences
from animate.speech import HOP_S, Prosody
from flame_tools.smooth import smooth_step
from flame_tools.types import Intervals

_RESTING, _SOFT, _LOUD = 0.58, 0.70, 0.88  # of what is asked for: in long pauses, in soft phrases, in loud ones
_PHRASE_S = 0.6  # deviation of what counts as one phrase
_LEAD_S = 0.25  # by which a feeling is there before its words
_ONSET_S = 0.6  # from the first frame
_RISE_S, _FALL_S = 0.35, 0.70  # to and from an apex
_SINK_S = 0.55  # in which a pause takes 63 % of what it takes
_LONG_PAUSE_S = 0.6
_SMOOTH_S = 0.15  # deviation
_STEP_S = 0.02


def lived(asked: np.ndarray, prosody: Prosody, phones: Intervals, times: np.ndarray) -> np.ndarray:
    """Intensities [T, 8] at times [T] in seconds, which rise to those asked for, [8] in [0, 1]."""
    return course(prosody, phones, times)[:, None] * asked


def course(prosody: Prosody, phones: Intervals, times: np.ndarray) -> np.ndarray:
    """Factor [T] in [0, 1] on an emotion: 0.58 at first and in long pauses, 1 where the voice leans the most."""
    from scipy.ndimage import gaussian_filter1d

    grid = np.arange(round(float(times[-1]) / _STEP_S) + 2) * _STEP_S
    level = _SOFT + (_LOUD - _SOFT) * _swell(prosody, grid)
    for start, end in silences(phones, shortest_s=_LONG_PAUSE_S):
        spoken_before, spoken_after = start > 0.0, end < phones.end_s[-1]
        rows = slice(np.searchsorted(grid, start), np.searchsorted(grid, end - _LEAD_S) if spoken_after else None)
        sunk = 1 - np.exp(-(grid[rows] - start) / _SINK_S) if spoken_before else 1.0
        level[rows] += (_RESTING - level[rows]) * sunk
    level = gaussian_filter1d(level, _SMOOTH_S / _STEP_S, mode="nearest")
    accents = find_accents(prosody)
    apex = bumps(grid, accents.time_s, 0.4 + 0.6 * accents.strength, _RISE_S, _FALL_S)
    felt = level + (1 - level) * gaussian_filter1d(apex, 0.5 * _SMOOTH_S / _STEP_S, mode="nearest")  # no kinks
    return np.interp(times, grid, _RESTING + (felt - _RESTING) * smooth_step(grid / _ONSET_S))


def _swell(prosody: Prosody, grid: np.ndarray) -> np.ndarray:
    """How loud the phrase is [G] that is spoken: 0 the recording's softest, 1 its loudest."""
    from scipy.ndimage import gaussian_filter1d

    loudness = gaussian_filter1d(np.clip(prosody.loudness_db, -35.0, 0.0), _PHRASE_S / HOP_S, mode="nearest")
    soft, loud = np.percentile(loudness, (10, 90))
    return np.interp(grid, np.arange(len(loudness)) * HOP_S, np.clip((loudness - soft) / max(loud - soft, 6.0), 0, 1))
