"""A performance or a voice to an engine: everything that `emberface live` does, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from flame_tools.errors import InputError
from flame_tools.export.livelink import weights_and_angles
from flame_tools.head import Head
from flame_tools.live.ahead import ahead, announced
from flame_tools.live.frames import Frame, frames_of
from flame_tools.live.sender import StreamReport, stream, target_of

if TYPE_CHECKING:
    from animate.live_face import LiveFace

MICROPHONE = "microphone"
BUFFER_S = 0.12  # by which a voice's frames are held back, for those that come late


def live(
    source: str | os.PathLike,
    *,
    to: str = "livelink",
    loop: bool = False,
    subject: str = "emberface",
    device: str | None = None,
    head: Head | None = None,
    emotion: str | None = None,
    seed: int = 0,
    buffer_s: float = BUFFER_S,
    microphone: int | str | None = None,
    stop: Event | None = None,
    started: Callable[[], None] = lambda: None,
) -> StreamReport:
    """Stream a NAME.face.npz, a recording, or "microphone", until it ends, `stop` is set or Ctrl-C is pressed.

    A performance goes out as it is, on its own head where `head` is None. A voice is performed as it is heard, by the
    bundled network, feeling `emotion` ("happy:0.6"), some 0.3 s after it sounds; `buffer_s` of that is for frames that
    come late. `to`, `subject` and `device` are those of flame_tools.live.stream; `microphone` is sounddevice's name or
    number of one. `started` is called when there is something to send. Sound itself is not sent.

    Raises InputError for what is no target, no recording or no microphone, and for what means nothing for the source,
    OutputError where the network cannot be reached, and what load_track raises.
    """
    from flame_tools.load import load_head

    target, stop = target_of(to), stop or Event()
    own = {"to": target, "subject": subject, "device": device, "stop": stop}
    heard = str(source) == MICROPHONE
    if not heard and Path(source).suffix.lower() == ".npz":
        if emotion is not None or seed or microphone is not None:
            raise InputError(
                f"{source} is a performance and goes out as it is; emotion, seed and microphone are for voices"
            )
        return _performance(source, head, loop=loop, started=started, **own)
    if heard and loop:
        raise InputError("a microphone has no end to begin again after; loop is for performances and recordings")
    if not heard and microphone is not None:
        raise InputError(f"{source} is a recording; the microphone {microphone!r} is for the source {MICROPHONE!r}")
    if head is not None and head.arrays.id != load_head().arrays.id:
        raise InputError(
            f"a voice is performed on the default head as it is heard, not on {head.arrays.id!r}; leave the head out: "
            "what is sent, ARKit's weights, moves any character"
        )
    voice = {"emotion": emotion, "seed": seed, "buffer_s": buffer_s, "microphone": microphone}
    return _voice(source, loop=loop, started=started, **voice, **own)


def _performance(
    source: str | os.PathLike, head: Head | None, *, loop: bool, started: Callable[[], None], **own
) -> StreamReport:
    from flame_tools.load import head_of
    from flame_tools.track_file import load_track

    track = load_track(source)
    frames = frames_of(track, head or head_of(track))
    started()
    return stream(frames, fps=frames.fps, loop=loop, **own)


def _voice(
    source: str | os.PathLike,
    *,
    loop: bool,
    emotion: str | None,
    seed: int,
    buffer_s: float,
    microphone: int | str | None,
    started: Callable[[], None],
    stop: Event,
    **own,
) -> StreamReport:
    from animate import live_sound
    from animate.audio_file import read_audio
    from animate.live_face import LiveFace
    from animate.speech import RATE

    if str(source) == MICROPHONE:
        rate, pieces = RATE, live_sound.microphone(device=microphone, stop=stop)
    else:
        samples, rate = read_audio(source)
        pieces = live_sound.spoken(samples, rate, loop=loop, stop=stop)
    face = LiveFace(rate, emotion=emotion, seed=seed).fresh()
    with closing(ahead(voice_frames(announced(pieces, started), face))) as frames:
        return stream(frames, fps=(face.fps, 1), delay_s=buffer_s, stop=stop, **own)


def voice_frames(pieces: Iterable[np.ndarray], face: LiveFace) -> Iterator[Frame]:
    """Frames of pieces of sound [n] float in [-1, 1], as a LiveFace makes them, for flame_tools.live.stream."""
    from animate.live_face import performed

    for track in performed(pieces, face):
        yield from zip(track.time_s.tolist(), weights_and_angles(track, face.head), strict=True)
