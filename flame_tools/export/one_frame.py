"""Formats that hold one pose: which one it is."""

from __future__ import annotations

import os

import numpy as np

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import posed_frames
from flame_tools.track_check import check_track
from flame_tools.types import Track


def only_frame(track: Track, head: Head, path: str | os.PathLike, *, way_out: str = "") -> np.ndarray:
    """Vertices [V, 3] in metres of a track of one frame.

    Raises InputError where it has more, and names `way_out` beside the choice of one frame; ShapeError where the track
    does not fit together.
    """
    check_track(track)
    if len(track) != 1:
        raise InputError(
            f"the track has {len(track)} frames and {path} can hold one; "
            f"choose it with emberface convert --frame, or flame_tools.posing.at_frames(track, [i]){way_out}"
        )
    return next(iter(posed_frames(track, head)))
