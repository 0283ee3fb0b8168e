"""Do the lips move more where the voice is stronger?

Intensities after Chae-Yeon et al. (CVPR 2025): the root mean square of the sound, and that of the lips' mean
displacement from frame to frame. Their SLCC is the Pearson correlation of the two over many clips of a speaker: that is
`slcc`. `slcc_windows` takes two-second windows of one track for clips, those that hold sound.
"""

from __future__ import annotations

import numpy as np

from animate.face_vertices import still_blocks
from flame_tools.head import Head
from flame_tools.types import Track

WINDOW_S = 2.0
_FEWEST = 5  # windows: a correlation of fewer says nothing
_AUDIBLE = 0.05  # of the loudest window's RMS


def lip_speed(track: Track, head: Head, lips: np.ndarray) -> np.ndarray:
    """[T - 1] mean displacement of lip vertices from frame to frame in mm/s, the head held still."""
    speeds, last = [], None
    for block in still_blocks(track, head, np.asarray(track.time_s), track.params.shape, vertices=lips):
        joined = block if last is None else np.concatenate([last, block])
        speeds.append(np.linalg.norm(np.diff(joined, axis=0), axis=-1).mean(1))
        last = block[-1:]
    return np.concatenate(speeds) / np.diff(track.time_s)


def slcc(speech: np.ndarray, lips: np.ndarray) -> float | None:
    """Pearson correlation of intensities [n] of clips; None for fewer than five, or where nothing varies."""
    if len(speech) < _FEWEST or np.ptp(speech) == 0 or np.ptp(lips) == 0:
        return None
    return float(np.corrcoef(speech, lips)[0, 1])


def slcc_windows(track: Track, head: Head, lips: np.ndarray) -> float | None:
    """The correlation over two-second windows of one track; None without sound, or under five windows of it."""
    if track.audio is None or len(track) < 2:
        return None
    speed = lip_speed(track, head, lips)
    middles = (np.asarray(track.time_s)[1:] + track.time_s[:-1]) / 2
    pairs = []
    for start in np.arange(track.time_s[0], track.time_s[-1] - WINDOW_S + 1e-9, WINDOW_S):
        first, last = (round((at - track.audio_start_s) * track.audio_rate) for at in (start, start + WINDOW_S))
        sound = track.audio[max(first, 0) : max(last, 0)].astype(np.float64)
        moving = speed[(middles >= start) & (middles < start + WINDOW_S)]
        if len(sound) and len(moving):
            pairs.append((np.sqrt((sound**2).mean()), np.sqrt((moving**2).mean())))
    heard = np.array(pairs).reshape(-1, 2)
    heard = heard[heard[:, 0] > _AUDIBLE * heard[:, 0].max(initial=0.0)]
    return slcc(heard[:, 0], heard[:, 1])
