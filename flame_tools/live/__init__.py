"""Faces to engines as they move: Live Link Face and VMC over UDP, paced by a clock that does not drift."""

from flame_tools.live.clock import Clock, Pace
from flame_tools.live.frames import CHANNELS, Frame, Frames, frames_of, track_of
from flame_tools.live.record import Recording, record
from flame_tools.live.sender import StreamReport, Target, stream, target_of

__all__ = [
    "CHANNELS",
    "Clock",
    "Frame",
    "Frames",
    "Pace",
    "Recording",
    "StreamReport",
    "Target",
    "frames_of",
    "record",
    "stream",
    "target_of",
    "track_of",
]
