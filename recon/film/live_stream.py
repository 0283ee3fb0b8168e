"""A camera to an engine: what `emberface live camera` does, in one call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from threading import Event

import numpy as np

from flame_tools.export.livelink import weights_and_angles
from flame_tools.head import Head
from flame_tools.live.ahead import ahead, announced
from flame_tools.live.frames import Frame
from flame_tools.live.sender import StreamReport, stream, target_of
from flame_tools.types import Track
from recon.film.live import LiveFace, LiveTracker
from render import webcam
from render.webcam import live_frames


def live_faces(
    source: str | os.PathLike,
    head: Head,
    *,
    focal_px: float | None = None,
    paced: bool = True,
    stop: Event | None = None,
    started: Callable[[], None] = lambda: None,
) -> Iterator[LiveFace]:
    """The faces of a camera, or of a film at its own pace, for as long as there are pictures or until `stop` is set.

    `source` and `paced` are those of render.webcam.live_frames; `started` is called when the first picture is there.
    Pictures without a face give nothing.
    """
    with (
        LiveTracker(head, focal_px=focal_px, background=paced) as tracker,
        closing(live_frames(source, stop=stop, paced=paced)) as frames,
    ):
        for frame in announced(frames, started):
            if stop is not None and stop.is_set():
                return
            face = tracker.step(frame.image, frame.time_s)
            if face is not None:
                yield face


def channels(faces: Iterable[LiveFace], head: Head) -> Iterator[Frame]:
    """Faces as what flame_tools.live.stream sends: seconds, and [61] weights and angles."""
    for face in faces:
        track = Track(head.arrays.id, face.params, np.array([face.time_s]))
        yield face.time_s, weights_and_angles(track, head)[0]


def live(
    source: str | os.PathLike = webcam.CAMERA,
    *,
    to: str = "livelink",
    head: Head | None = None,
    focal_px: float | None = None,
    subject: str = "emberface",
    device: str | None = None,
    stop: Event | None = None,
    started: Callable[[], None] = lambda: None,
) -> StreamReport:
    """Stream the face before a camera ("camera", "camera:1", "camera:NAME") or of a film, until it ends, `stop` is set
    or Ctrl-C is pressed.

    `to`, `subject` and `device` are those of flame_tools.live.stream; `started` is called when the first picture is
    there. Raises InputError for what is no target or no camera, OutputError where the network cannot be reached, and
    of a film what open_footage raises.
    """
    from flame_tools.load import load_head

    target, stop, head = target_of(to), stop or Event(), head or load_head()
    webcam.device_of(source)  # what cannot be is said before anything begins
    faces = live_faces(source, head, focal_px=focal_px, stop=stop, started=started)
    with closing(ahead(_as_they_are_made(channels(faces, head)))) as frames:
        return stream(frames, to=target, fps=(webcam.FPS, 1), subject=subject, device=device, stop=stop)


def _as_they_are_made(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Frames timed when they are ready: were they held to the pictures' times, all would be as late as the first,
    which waits for networks to be loaded and for somebody to be met."""
    begun = time.monotonic()
    for _, values in frames:
        yield time.monotonic() - begun, values
