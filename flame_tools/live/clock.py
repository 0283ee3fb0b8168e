"""When a frame goes out: each at its own time after the first one, by a clock that only goes forward.

Every moment is reckoned from one start, so that what one frame loses no later one inherits. A frame whose time is past
by a whole period or more is skipped, never kept for later: what is seen is what is now. Frames that are made as they
go may fall behind for good (a microphone that paused): where they may, the clock starts anew after a while of nothing.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import numpy as np

_KEPT = 65536  # moments that jitter is told of: the last eighteen minutes at 60 a second


@dataclass(frozen=True)
class Pace:
    """How well time was kept."""

    sent: int
    skipped: int  # came too late to be sent
    restarts: int  # times that the clock began anew
    seconds: float  # from the first frame to the last
    rate: float  # frames a second that went out
    jitter_p50_ms: float  # by which a frame went out after its time: half of them by less
    jitter_p99_ms: float


class Clock:
    """Paces frames of one stream."""

    def __init__(
        self,
        period_s: float,
        *,
        delay_s: float = 0.0,
        patience_s: float = math.inf,
        stop: Event | None = None,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ):
        """`period_s` is from one frame to the next; the first one waits for `delay_s`. `stop` ends every waiting.

        After frames have come too late for `patience_s`, the clock starts anew with the next.
        """
        self.period_s, self.delay_s, self.patience_s = period_s, delay_s, patience_s
        self.stop = stop or Event()
        self._now, self._wait = now, wait or self.stop.wait
        self._start: float | None = None  # the moment of a frame's time 0
        self._sent = self._skipped = self._restarts = 0
        self._first = self._last = 0.0
        self._behind: float | None = None  # since when every frame has been too late
        self._late: deque[float] = deque(maxlen=_KEPT)

    def turn(self, time_s: float) -> bool:
        """Wait for the frame at `time_s`. True: send it now; False: it is too late, or the stream has been stopped."""
        if self._start is None:
            self._start = self._now() + self.delay_s - time_s
        self._until(self._start + time_s)
        now = self._now()
        if self._sent and now - self._start - time_s >= self.period_s:
            self._behind = now if self._behind is None else self._behind
            if now - self._behind < self.patience_s:
                self._skipped += not self.stop.is_set()
                return False
            self._restarts += 1
            self._start = now + self.delay_s - time_s
            self._until(self._start + time_s)
        if self.stop.is_set():
            return False
        self._last, self._behind = self._now(), None
        if not self._sent:
            self._first = self._last
        self._sent += 1
        self._late.append(self._last - self._start - time_s)
        return True

    def _until(self, moment: float) -> None:
        while (left := moment - self._now()) > 0 and not self.stop.is_set():
            self._wait(left)

    def pace(self) -> Pace:
        seconds = self._last - self._first
        late = np.array(self._late if self._late else [0.0]) * 1e3
        p50, p99 = np.percentile(late, [50, 99])
        rate = (self._sent - 1) / seconds if seconds > 0 else 0.0
        return Pace(self._sent, self._skipped, self._restarts, seconds, rate, float(p50), float(p99))
