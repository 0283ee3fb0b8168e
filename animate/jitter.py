"""Trembling: what of a face's acceleration lies above the frequencies of speech.

`jitter_mm_s2` is the root mean square, over face vertices and frames, of the length of the acceleration of positions
above 8 Hz. Jaw and lips open and close at up to about 6 Hz in fast speech; a tremor from frame to frame lies at half
the frame rate. The filter takes from a position its low-passed self: a sinc cut at 8 Hz under a Hamming window of one
second, half a second to either side, so that every moment is judged by its own surroundings and a track of any length
needs memory for one second. Acceleration is the second difference between neighbouring frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from animate.face_vertices import still_blocks
from flame_tools.head import Head
from flame_tools.types import Track

CUTOFF_HZ = 8.0
HALF_S = 0.5  # of the filter's window


def highpass(fps: float) -> np.ndarray:
    """Taps [2 h + 1], h = HALF_S * fps, that leave what is faster than CUTOFF_HZ; their sum is 0."""
    half = round(HALF_S * fps)
    at = np.arange(-half, half + 1)
    low = np.sinc(2 * CUTOFF_HZ / fps * at) * np.hamming(2 * half + 1)
    taps = -low / low.sum()
    taps[half] += 1.0
    return taps


def jitter(blocks: Iterable[np.ndarray], fps: float) -> float | None:
    """RMS in mm/s^2 of blocks [t, n, 3] in mm at `fps`; None where they are shorter than the filter or fps too low."""
    taps = highpass(fps)
    # Second difference of the filtered path: one filter.
    taps = np.convolve(taps, [1.0, -2.0, 1.0]) * fps**2
    if fps <= 2 * CUTOFF_HZ:
        return None
    total, count = 0.0, 0
    for block in _overlapping(blocks, len(taps) - 1):
        moved = np.tensordot(np.lib.stride_tricks.sliding_window_view(block, len(taps), axis=0), taps, 1)
        total += float((moved**2).sum())
        count += moved.shape[0] * moved.shape[1]
    return float(np.sqrt(total / count)) if count else None


def _overlapping(blocks: Iterable[np.ndarray], before: int) -> Iterator[np.ndarray]:
    """The blocks, each with the last `before` frames ahead of it; none that is shorter than before + 1 frames."""
    tail = None
    for block in blocks:
        joined = block if tail is None else np.concatenate([tail, block])
        if len(joined) > before:
            yield joined
        tail = joined[-before:] if before else joined[:0]


def track_jitter(track: Track, head: Head, vertices: np.ndarray) -> float | None:
    """Of vertices [n] of a track, the head held still. None where its frames are not evenly spaced, or too few."""
    steps = np.diff(track.time_s)
    if not len(steps) or np.ptp(steps) > 0.01 * steps.mean():
        return None
    blocks = still_blocks(track, head, np.asarray(track.time_s), track.params.shape, vertices=vertices)
    return jitter(blocks, 1 / float(steps.mean()))
