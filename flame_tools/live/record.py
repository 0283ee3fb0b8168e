"""A stream of Live Link Face back to frames: from this package, from Epic's app, from anybody who sends it.

What comes over the network is hostile: each packet is bounded and checked (livelink.decode), what does not fit is
counted and dropped, and a recording ends when it is long enough.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from threading import Event

import numpy as np

from flame_tools.errors import FormatError, InputError, OutputError
from flame_tools.live import livelink
from flame_tools.live.frames import CHANNELS, Frames

MOST_FRAMES = 1_000_000  # four and a half hours at 60 a second, half a gigabyte
_SLICE_S = 0.1  # between looks at the clock and at `stop`


@dataclass(frozen=True)
class Recording:
    """What was heard of one subject."""

    frames: Frames  # by the sender's own frame times, the first at 0 s
    subject: str
    device: str
    arrival_s: np.ndarray  # [T] float64, seconds from the first packet's arrival by this machine's clock
    refused: int  # packets that are no Live Link Face
    others: int  # packets of other subjects
    stale: int  # packets no newer than one before them


def record(
    *,
    port: int = livelink.PORT,
    host: str = "127.0.0.1",
    seconds: float = 60.0,
    silence_s: float = 2.0,
    first_s: float = 30.0,
    subject: str | None = None,
    listening: socket.socket | None = None,
    stop: Event | None = None,
) -> Recording:
    """Listen for at most `seconds` after the first packet, or until nothing has come for `silence_s`.

    `first_s` is how long to wait for that first packet. `subject` chooses one of several; None: whoever comes first.
    `listening` is a bound UDP socket to use instead of `host` and `port`; it stays open.

    Raises OutputError where the port cannot be had, InputError where no packet of the format has come.
    """
    here = listening or _bound(host, port)
    stop = stop or Event()
    packets: list[livelink.FacePacket] = []
    arrivals: list[float] = []
    refused = others = stale = 0
    begun = heard = time.monotonic()
    try:
        here.settimeout(_SLICE_S)
        while not stop.is_set() and len(packets) < MOST_FRAMES:
            now = time.monotonic()
            if packets and (now - heard > silence_s or now - arrivals[0] > seconds):
                break
            if not packets and now - begun > first_s:
                break
            try:
                packet = livelink.decode(here.recv(65536))
            except TimeoutError:
                continue
            except FormatError:
                refused += 1
                continue
            subject = subject or packet.subject
            if packet.subject != subject:
                others += 1
            elif packets and packet.time_s <= packets[-1].time_s:
                stale += 1
            else:
                heard = time.monotonic()
                packets.append(packet)
                arrivals.append(heard)
    finally:
        if listening is None:
            here.close()
    if not packets:
        of = f" of {subject!r}" if subject else ""
        raise InputError(
            f"no Live Link Face packet{of} came ({refused} others did, {others} of other subjects); start the sender, "
            "and check its address, port and version"
        )
    return _recording(packets, arrivals, refused, others, stale)


def _recording(packets: list[livelink.FacePacket], arrivals: list[float], *counts: int) -> Recording:
    times = np.array([packet.time_s for packet in packets])
    channels = np.array([packet.channels for packet in packets]).reshape(-1, len(CHANNELS))
    first = packets[0]
    return Recording(
        Frames(times - times[0], channels, first.fps), first.subject, first.device, np.array(arrivals) - arrivals[0],
        *counts,
    )  # fmt: skip


def _bound(host: str, port: int) -> socket.socket:
    here = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        here = socket.socket(family, kind, protocol)
        here.bind(address)
        return here
    except (OSError, UnicodeError, OverflowError) as error:
        if here is not None:
            here.close()
        what = getattr(error, "strerror", None) or error
        raise OutputError(
            f"cannot listen at {host}:{port}: {what}; close the program that listens there, or choose another port"
        ) from error
