"""What is streamed: a face at a moment, as the 61 channels that engines know. From a Track, and back to one.

The channels are those of the Live Link Face CSV, in its order: 52 ARKit weights in [0, 1], then yaw, pitch and roll of
the head and of each eye in the head, in radians and with our signs (`weights_and_angles`). Each protocol turns them to
its own names, axes and signs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flame_tools.arkit import ARKIT_NAMES
from flame_tools.errors import InputError, ShapeError
from flame_tools.export.livelink import ANGLES, COLUMNS, weights_and_angles
from flame_tools.file_clock import file_times
from flame_tools.frame_rate import on_grid
from flame_tools.head import Head
from flame_tools.imports.livelink import params_told
from flame_tools.track_check import check_track
from flame_tools.types import Track

CHANNELS = (*COLUMNS, *ANGLES)
WEIGHTS = len(COLUMNS)
_SLACK_S = 1e-5  # packets tell parts of a frame as float32
Frame = tuple[float, np.ndarray]  # seconds, and [61] channels in the order of CHANNELS
_TO_ARKIT = [COLUMNS.index(name[0].upper() + name[1:]) for name in ARKIT_NAMES]


@dataclass(frozen=True)
class Frames:
    """A performance as frames. It can be gone through again, which a loop asks for."""

    time_s: np.ndarray  # [T] float64, strictly increasing
    channels: np.ndarray  # [T, 61] in the order of CHANNELS
    fps: tuple[int, int]  # rational rate

    def __len__(self) -> int:
        return len(self.time_s)

    def __iter__(self) -> Iterator[Frame]:
        return zip(self.time_s.tolist(), self.channels, strict=True)


def frames_of(track: Track, head: Head) -> Frames:
    """The frames of a performance. A track of uneven times states the mean of its rate, as n / 1000.

    Raises ShapeError where the track does not fit together (NaN among it) or was made on another head.
    """
    check_track(track)
    if track.head_id != head.arrays.id:
        raise ShapeError(
            f"the track was made on head {track.head_id!r} and is to be read with {head.arrays.id!r}; give its own head"
        )
    return Frames(file_times(track), weights_and_angles(track, head), _rate(track))


def _rate(track: Track) -> tuple[int, int]:
    if track.fps is not None:
        return track.fps
    steps = len(track) - 1
    mean = steps / float(track.time_s[-1] - track.time_s[0]) if steps else 60.0
    return max(round(1000 * mean), 1), 1000


def track_of(frames: Frames, head: Head) -> Track:
    """Frames as a performance on `head`'s mean identity, at their rate where none is missing. The neck turns the head.

    As `flame_tools.imports.livelink.params_told` has it.
    """
    if not len(frames):
        raise InputError("there is no frame to make a track of; start the stream first, or listen longer")
    values = np.asarray(frames.channels, np.float64)
    if values.ndim != 2 or values.shape[1] != len(CHANNELS):
        raise ShapeError(f"channels are {list(values.shape)}, wanted [T, {len(CHANNELS)}]")
    seconds = np.asarray(frames.time_s, np.float64) - float(frames.time_s[0])
    even = on_grid(0.0, len(seconds), Fraction(*frames.fps))
    whole = np.abs(seconds - even).max() <= _SLACK_S  # no frame was lost
    return Track(
        head_id=head.arrays.id,
        params=params_told(values[:, _TO_ARKIT].clip(0, 1), values[:, WEIGHTS:], head),
        time_s=even if whole else seconds,
        fps=frames.fps if whole else None,
        provenance={"made_by": "emberface live"},
        licences=(head.arrays.licence,),
    )
