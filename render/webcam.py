"""A camera's pictures as they come, or a film's at its own pace: the newest one, never a queue of old ones.

    for frame in live_frames("camera"): ...          # the system's first; camera:1, camera:NAME, or a film's path

Cameras are reached by FFmpeg's input devices through PyAV: v4l2 on Linux (/dev/video0), avfoundation on macOS (a number
or a name; FFmpeg documentation, "3.3 avfoundation"), dshow on Windows, which knows names only ("3.6 dshow").
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flame_tools.errors import InputError
from render.footage import Frame, open_footage
from render.footage_picture import Pictures

CAMERA = "camera"
SIZE, FPS = (640, 480), 30  # asked for; a camera that has other ones is taken as it is
PATIENCE_S = 10.0  # in which a camera has to show something


class Device(NamedTuple):
    """What FFmpeg opens."""

    form: str  # name of the input device
    name: str


def live_frames(
    source: str | os.PathLike, *, stop: threading.Event | None = None, paced: bool = True
) -> Iterator[Frame]:
    """The newest picture whenever one is asked for, until the source ends or `stop` is set; numbers that were missed
    are left out. Times are those at which pictures came, from the first one.

    A film is shown at its own pace, as a camera would show it; with `paced` False every frame as fast as it is taken.
    Raises InputError where there is no such camera, or it shows nothing; of a film what open_footage raises.
    """
    stop = stop or threading.Event()
    device = device_of(source)
    if device is not None:
        return newest(camera_frames(device, stop=stop), stop)
    footage = open_footage(source)
    return newest(_at_its_pace(footage.frames(), stop), stop) if paced else footage.frames()


def device_of(source: str | os.PathLike, platform: str = sys.platform) -> Device | None:
    """The camera that "camera" or "camera:NAME" means on a system; None where it is the path of a film."""
    kind, _, name = os.fspath(source).partition(":")
    if kind != CAMERA:
        return None
    if platform == "darwin":
        return Device("avfoundation", f"{name or '0'}:none")  # no sound
    if platform == "win32":
        if not name:
            raise InputError(
                "a camera on Windows is asked for by its name, as the Device Manager shows it; wanted camera:NAME"
            )
        return Device("dshow", f"video={name}")
    return Device("v4l2", f"/dev/video{name or '0'}" if not name or name.isdecimal() else name)


def camera_frames(device: Device, *, stop: threading.Event | None = None) -> Iterator[Frame]:
    """Every picture of a camera, upright sRGB, timed when it came. Raises InputError where it shows none."""
    import av

    stop = stop or threading.Event()
    with _opened(device) as camera:
        video = next(iter(camera.streams.video), None)
        if video is None:
            raise InputError(f"{device.name} shows no pictures; wanted a camera")
        pictures, first = Pictures(video), None
        try:
            for number, frame in enumerate(_decoded(camera, video)):
                if stop.is_set():
                    return
                now = time.monotonic()
                first = now if first is None else first
                yield Frame(number, now - first, pictures(frame))
        except av.FFmpegError as error:
            raise InputError(f"{device.name} stopped ({error.strerror}); plug it in again") from None


def _decoded(camera, video):
    while True:
        try:
            yield from camera.decode(video)
            return
        except BlockingIOError:  # avfoundation has nothing new yet
            time.sleep(0.005)


@contextlib.contextmanager
def _opened(device: Device):
    import av

    asked = {"framerate": str(FPS), "video_size": f"{SIZE[0]}x{SIZE[1]}"}
    reason = ""
    for options in (asked, {"framerate": str(FPS)}, {}):  # a camera refuses what it does not have
        try:
            camera = av.open(device.name, format=device.form, options=options, timeout=PATIENCE_S)
        except (av.FFmpegError, ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            continue
        with camera:
            yield camera
        return
    raise InputError(
        f"no camera can be opened as {device.name} ({device.form}: {reason}); plug one in, allow its use, or choose "
        "another with camera:NAME"
    )


def newest(frames: Iterable[Frame], stop: threading.Event) -> Iterator[Frame]:
    """The frame that came last, as often as there is a new one; those in between are let go.

    They are drawn on a thread of their own. What goes wrong there is raised here.
    """
    turn = threading.Condition()
    waiting: list[Frame] = []
    ended: list[BaseException | None] = []
    enough = threading.Event()

    def draw() -> None:
        error = None
        try:
            for frame in frames:
                with turn:
                    waiting[:] = [frame]
                    turn.notify()
                if enough.is_set() or stop.is_set():
                    break
        except BaseException as found:
            error = found
        with turn:
            ended.append(error)
            turn.notify()

    threading.Thread(target=draw, name="emberface-camera", daemon=True).start()
    try:
        while not stop.is_set():
            with turn:
                if not waiting and not ended:
                    turn.wait(0.2)
                    continue
                frame = waiting.pop() if waiting else None
            if frame is not None:
                yield frame
            elif ended[0] is not None:
                raise ended[0]
            else:
                return
    finally:
        enough.set()


def _at_its_pace(frames: Iterable[Frame], stop: threading.Event) -> Iterator[Frame]:
    begun = None
    for frame in frames:
        begun = time.monotonic() - frame.time_s if begun is None else begun
        stop.wait(max(0.0, begun + frame.time_s - time.monotonic()))
        if stop.is_set():
            return
        yield frame
