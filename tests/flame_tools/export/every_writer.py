"""Every writer there is by the ending of its file, and a track that it takes."""

import dataclasses

import numpy as np

from flame_tools import Head, Intervals, Track
from flame_tools.export import WRITERS, write_ply_sequence, write_wav
from flame_tools.posing import at_frames
from flame_tools.track_file import save_track
from flame_tools.types import Appearance
from tests.flame_tools.export.conftest import lively_track

# Written by another program, and of FLAME heads alone: see tests/interchange/test_alembic.py, test_flame_params.py
ELSEWHERE = (".abc", ".smplx.npz", ".smplx.pkl", ".emote.npz", ".emote.pkl")
BESIDE = (".usd", ".usda", ".usdc")  # refer to a sound beside them, by a name that follows their own
EVERY = {
    **{ending: write for ending, write in WRITERS.items() if ending not in ELSEWHERE},
    " ply sequence": write_ply_sequence,
    ".face.npz": lambda track, head, path: save_track(track, path),
    ".wav": lambda track, head, path: write_wav(track, path),
}
STILLS = (".ply", ".stl")  # formats that hold one frame


def fitting(ending: str, head: Head, frames: int = 4) -> Track:
    """A lively track with a voice and phones, of one frame where the format holds no more."""
    rate, seconds = 8000, frames / 30
    track = lively_track(
        head,
        frames,
        audio=np.sin(np.arange(int(rate * seconds)) / 10).astype(np.float32),
        audio_rate=rate,
        intervals={
            "phones": Intervals(("M", "AA1"), np.array([0.0, seconds / 2]), np.array([seconds / 2, seconds])),
            "words": Intervals(("ma",), np.array([0.0]), np.array([seconds])),
        },
    )
    if ending == ".height.png":
        relief = np.linspace(-1e-3, 1e-3, 64 * 64, dtype=np.float32).reshape(64, 64)
        track = track.replace(appearance=dataclasses.replace(track.appearance or Appearance(), detail=relief))
    if ending in STILLS and frames > 1:
        return at_frames(track, [frames - 1])
    return track
