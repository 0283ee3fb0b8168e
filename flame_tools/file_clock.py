"""The clock of a track's files: theirs is the track's own, but for one that begins before 0 s, which no file knows."""

from __future__ import annotations

import numpy as np

from flame_tools.types import Track


def origin_s(track: Track) -> float:
    """The time of a track that is second 0 of its files: 0, or that of its first frame where this comes before."""
    return min(float(track.time_s[0]), 0.0)


def file_times(track: Track) -> np.ndarray:
    """Seconds [T] of the frames in a file, float64; never below 0."""
    return np.asarray(track.time_s, np.float64) - origin_s(track)
