"""Frames to an engine, each at its time, over UDP. Sound is not sent.

Nothing leaves this machine unless an address says so: "livelink" and "vmc" mean localhost at the protocol's own port.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Event

import numpy as np

from flame_tools.errors import InputError, OutputError
from flame_tools.live import livelink, vmc
from flame_tools.live.clock import Clock, Pace
from flame_tools.live.frames import Frame

PORTS = {"livelink": livelink.PORT, "vmc": vmc.PORT}
LOCALHOST = "127.0.0.1"
PATIENCE_S = 0.5  # in which frames that are made as they go may catch up


@dataclass(frozen=True)
class Target:
    """Who is to be moved, and where."""

    protocol: str  # a key of PORTS
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}:{host}:{self.port}"


@dataclass(frozen=True)
class StreamReport:
    """What was sent and how well time was kept."""

    to: str
    frames: int
    skipped: int
    restarts: int
    seconds: float
    rate: float  # frames a second
    jitter_p50_ms: float
    jitter_p99_ms: float
    datagrams: int
    bytes: int
    stopped: bool  # before the frames came to an end


def target_of(text: str) -> Target:
    """Read "livelink", "vmc", or either with :HOST:PORT. Both may be left out, and an IPv6 host stands in [].

    Raises InputError for anything else.
    """
    protocol, _, rest = text.partition(":")
    if protocol not in PORTS:
        raise InputError(
            f"cannot stream to {text!r}; wanted {' or '.join(PORTS)}, with :HOST:PORT where it is not here"
        )
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = rest.partition(":")
    if host.isdigit():
        raise InputError(f"{text!r} has a number for its host; write {protocol}::{host} where that is the port")
    number = int(port) if port.isascii() and port.isdigit() else PORTS[protocol] if not port else 0
    if not 0 < number < 65536 or not host.isprintable() or " " in host:
        raise InputError(f"{text!r} names no host and port; write it like {protocol}:192.168.0.7:{PORTS[protocol]}")
    return Target(protocol, host or LOCALHOST, number)


def stream(
    frames: Iterable[Frame],
    *,
    to: str | Target = "livelink",
    fps: tuple[int, int] = (60, 1),
    loop: bool = False,
    subject: str = "emberface",
    device: str | None = None,
    delay_s: float = 0.0,
    stop: Event | None = None,
) -> StreamReport:
    """Send frames (seconds, [61] channels), each at its own time after the first, until they end or `stop` is set.

    Ctrl-C ends a stream as `stop` does: it is how a person ends a loop, and the report is wanted then, too.
    `fps` is their rational rate: it numbers the frames of Live Link Face, and a frame that is late by a whole one is
    skipped. `subject` is what Unreal lists, `device` its UUID, made of the subject where None. With `loop` the frames
    begin again, one period after the last; they must be such that can be gone through again. `delay_s` holds back the
    first frame, for frames that come unevenly.

    Raises InputError where `to` is no target or `frames` cannot loop, OutputError where the network cannot be reached.
    Whether anybody listens, UDP does not tell.
    """
    target = target_of(to) if isinstance(to, str) else to
    if len(fps) != 2 or not all(isinstance(n, int) and 0 < n < 2**31 for n in fps):
        raise InputError(f"fps is {fps}, wanted a rational rate of two positive integers, such as (30, 1)")
    if loop and iter(frames) is frames:
        raise InputError("frames that are made as they come cannot loop; collect them first, or leave loop out")
    stop = stop or Event()
    made_as_they_go = iter(frames) is frames  # and may fall behind for good; others are at hand
    patience_s = PATIENCE_S if made_as_they_go else math.inf
    clock = Clock(fps[1] / fps[0], delay_s=delay_s, patience_s=patience_s, stop=stop)
    count = size = 0
    with _Socket(target) as out:
        try:
            for time_s, channels in _looped(frames, fps[1] / fps[0]) if loop else frames:
                ready = _datagrams(target.protocol, time_s, channels, fps, subject, device)
                if clock.turn(time_s):
                    for data in ready:
                        out.send(data)
                        count, size = count + 1, size + len(data)
                if stop.is_set():
                    break
        except KeyboardInterrupt:
            stop.set()
    return _report(target, clock.pace(), count, size, stop.is_set())


def _datagrams(
    protocol: str, time_s: float, channels: np.ndarray, fps: tuple[int, int], subject: str, device: str | None
) -> list[bytes]:
    if protocol == "vmc":
        return vmc.datagrams(time_s, channels)
    return [livelink.encode(livelink.packet_at(time_s, channels, fps=fps, subject=subject, device=device))]


def _looped(frames: Iterable[Frame], period_s: float) -> Iterator[Frame]:
    """Again and again, on one line of time. A single frame is held: it is sent a period apart."""
    later_s = 0.0
    while True:
        first = last = None
        for time_s, channels in frames:
            first = time_s if first is None else first
            last = time_s
            yield later_s + time_s, channels
        if first is None:
            return
        later_s += last - first + period_s


def _report(target: Target, pace: Pace, datagrams: int, size: int, stopped: bool) -> StreamReport:
    return StreamReport(
        to=str(target),
        frames=pace.sent,
        skipped=pace.skipped,
        restarts=pace.restarts,
        seconds=pace.seconds,
        rate=pace.rate,
        jitter_p50_ms=pace.jitter_p50_ms,
        jitter_p99_ms=pace.jitter_p99_ms,
        datagrams=datagrams,
        bytes=size,
        stopped=stopped,
    )


class _Socket:
    """UDP to one address. It is not connected: that nobody listens yet is no error."""

    def __init__(self, target: Target):
        self.target = target
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, self.address = found[0]
            self.socket = socket.socket(family, kind, protocol)
        except (OSError, UnicodeError) as error:
            raise self._refusal(error) from error

    def __enter__(self) -> _Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendto(data, self.address)
        except ConnectionRefusedError:
            pass  # told of an earlier datagram that nobody took; the engine may start at any time
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> OutputError:
        what = getattr(error, "strerror", None) or error
        return OutputError(f"cannot send to {self.target}: {what}; check the address and the network")
