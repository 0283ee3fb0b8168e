"""The voice as a WAV file, for formats that carry no sound."""

from __future__ import annotations

import os
import wave

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.file_clock import origin_s
from flame_tools.track_check import check_track
from flame_tools.types import Track


def write_wav(track: Track, path: str | os.PathLike) -> None:
    """Write the track's sound, 16 bit mono, so that its first sample falls on second 0 of its files (file_clock.py).

    Sound before that is cut, a later start is filled with silence.
    """
    check_track(track)
    if track.audio is None:
        raise InputError(f"the track has no sound to write to {path}; animate speech to get one")
    lead = round((track.audio_start_s - origin_s(track)) * track.audio_rate)
    samples = np.concatenate([np.zeros(max(lead, 0), np.float32), track.audio[max(-lead, 0) :]])
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with written_whole(path) as temporary, wave.open(str(temporary), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(track.audio_rate)
        sound.writeframes(pcm.tobytes())
