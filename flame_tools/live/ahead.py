"""Frames made on a thread of their own, so that making the next ones does not hold up the one that is due."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from flame_tools.live.frames import Frame

Item = TypeVar("Item")

_MOST = 256  # frames that wait
_FAREWELL_S = 10.0  # for the last frame to be made; a source that hangs longer is left behind


def announced(items: Iterable[Item], begun: Callable[[], None]) -> Iterator[Item]:
    """The same items; `begun` is called when the first of them is there."""
    for number, item in enumerate(items):
        if number == 0:
            begun()
        yield item


def ahead(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The same frames in the same order. What goes wrong in making them is raised here, after those made before it.

    Closing the iterator, or leaving its loop, ends the thread at its next frame, and waits for that: an interpreter
    that ends while torch works in a thread aborts.
    """
    waiting: queue.Queue[tuple[Frame | None, BaseException | None]] = queue.Queue(_MOST)
    enough = threading.Event()

    def put(item: tuple[Frame | None, BaseException | None]) -> bool:
        while not enough.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        error = None
        try:
            for frame in frames:
                if not put((frame, None)):
                    break
        except BaseException as found:
            error = found
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()
        put((None, error))

    maker = threading.Thread(target=make, name="emberface-frames", daemon=True)
    maker.start()
    try:
        while True:
            frame, error = waiting.get()
            if error is not None:
                raise error
            if frame is None:
                return
            yield frame
    finally:
        enough.set()
        maker.join(_FAREWELL_S)
