import socket
import threading
import time

import numpy as np
import pytest

from flame_tools import Head
from flame_tools.errors import InputError, OutputError
from flame_tools.live import frames_of, record, stream
from flame_tools.live.livelink import device_of, encode, packet_at
from tests.flame_tools.export.conftest import lively_track


def in_background(listening, **more):
    """Start to record; the result is what joining gives."""
    found = {}

    def run():
        try:
            found["recording"] = record(listening=listening, **more)
        except Exception as error:
            found["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def test_a_track_that_is_streamed_is_recorded(arrays, listening):
    head = Head(arrays)
    frames = frames_of(lively_track(head, 45), head)
    thread, found = in_background(listening, silence_s=0.5)
    report = stream(frames, to=f"livelink::{listening.getsockname()[1]}", fps=frames.fps, subject="anna")
    thread.join()
    recording = found["recording"]
    assert len(recording.frames) == report.frames >= 10
    assert (recording.subject, recording.device) == ("anna", device_of("anna"))
    assert (recording.refused, recording.others, recording.stale) == (0, 0, 0)
    rows = np.round(recording.frames.time_s * 30).astype(int)
    np.testing.assert_allclose(recording.frames.channels, frames.channels[rows], atol=1e-6)
    np.testing.assert_allclose(recording.frames.time_s, frames.time_s[rows], atol=1e-6)
    assert recording.frames.fps == (30, 1)
    assert recording.arrival_s[-1] == pytest.approx(recording.frames.time_s[-1], abs=0.2)


def test_what_does_not_belong_is_counted_and_left_out(face, listening):
    address = listening.getsockname()

    def at(i, subject="anna"):
        return encode(packet_at(i / 60, face, fps=(60, 1), subject=subject))

    thread, found = in_background(listening, silence_s=0.3, subject="anna")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for data in (
            b"",
            b"\xff" * 1000,
            at(0, "bert"),
            at(5),
            at(6)[:-3],
            at(6),
            at(6),
            at(4),
            at(9),
            b"\x06" * 60000,
        ):
            out.sendto(data, address)
    thread.join()
    recording = found["recording"]
    np.testing.assert_allclose(recording.frames.time_s * 60, [0, 1, 4], atol=1e-4)
    assert (recording.refused, recording.others, recording.stale) == (4, 1, 2)


def test_a_recording_ends_in_time(face, listening):
    stop = threading.Event()
    sender = threading.Thread(
        target=stream,
        args=([(i / 50, face) for i in range(500)],),
        kwargs={"to": f"livelink::{listening.getsockname()[1]}", "fps": (50, 1), "stop": stop},
    )
    sender.start()
    begun = time.monotonic()
    recording = record(listening=listening, seconds=0.5)
    assert 0.4 < time.monotonic() - begun < 2
    assert 2 < len(recording.frames) <= 30
    stop.set()
    sender.join()


def test_silence_is_an_error_that_says_what_came(listening):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"hello", listening.getsockname())
    with pytest.raises(InputError, match="1 others"):
        record(listening=listening, first_s=0.2)


def test_a_port_that_is_taken_is_told_of(listening):
    with pytest.raises(OutputError, match="cannot listen"):
        record(port=listening.getsockname()[1])


def test_only_this_machine_is_listened_to_by_default(face):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    thread = threading.Timer(0.3, stream, args=([(0.0, face)],), kwargs={"to": f"livelink::{port}"})
    thread.start()
    assert len(record(port=port, silence_s=0.2, first_s=5).frames) == 1
    thread.join()
