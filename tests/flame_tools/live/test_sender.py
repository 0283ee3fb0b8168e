import itertools
import threading
import time

import numpy as np
import pytest

from flame_tools.errors import InputError, OutputError
from flame_tools.live import Frames, stream, target_of
from flame_tools.live.livelink import decode
from tests.flame_tools.live.conftest import received
from tests.flame_tools.live.osc_reader import messages_in


def steps(face, count: int, fps: tuple[int, int]) -> Frames:
    """Frames whose first channel tells their number."""
    channels = np.tile(face, (count, 1))
    channels[:, 0] = np.arange(count) / count
    return Frames(np.arange(count) * fps[1] / fps[0], channels, fps)


def test_sixty_a_second_go_out_in_order_and_do_not_drift(face, listening):
    frames = steps(face, 121, (60, 1))
    begun = time.monotonic()
    report = stream(frames, to=f"livelink::{listening.getsockname()[1]}", fps=frames.fps)
    took = time.monotonic() - begun
    packets = [decode(data) for data in received(listening)]
    assert report.frames + report.skipped == 121 and not report.stopped
    assert len(packets) == report.frames == report.datagrams and report.skipped <= 40  # a busy machine skips
    assert report.bytes == sum(1 + 40 + 13 + 16 + 1 + 61 * 4 for _ in packets)
    numbers = [packet.frame for packet in packets]
    assert numbers == sorted(set(numbers)) and numbers[0] == 0
    for packet in packets:
        assert packet.channels[0] == pytest.approx(packet.frame / 121, abs=1e-6)
    # Drift would add up: 120 frames that each lose 5 ms take 2.6 s. One late moment does not.
    assert 1.99 < took < 2.5
    assert report.seconds == pytest.approx(2.0, abs=0.4)
    assert 0 <= report.jitter_p50_ms <= report.jitter_p99_ms <= 1000 / 60


def test_frames_that_come_late_are_skipped_and_not_queued(face, listening):
    def slow():
        for i in range(40):
            if i == 10:
                time.sleep(0.2)
            yield i / 50, face

    report = stream(slow(), to=f"livelink::{listening.getsockname()[1]}", fps=(50, 1))
    numbers = [decode(data).frame for data in received(listening)]
    assert report.skipped >= 8 and report.frames + report.skipped == 40
    assert not {10, 11, 12, 13, 14, 15, 16} & set(numbers) and numbers == sorted(set(numbers))
    assert numbers[-1] >= 30 and report.seconds == pytest.approx(39 / 50, abs=0.3)


def test_a_loop_goes_on_until_it_is_stopped(face, listening):
    frames, stop = steps(face, 10, (100, 1)), threading.Event()
    timer = threading.Timer(0.55, stop.set)
    timer.start()
    report = stream(frames, to=f"livelink::{listening.getsockname()[1]}", fps=frames.fps, loop=True, stop=stop)
    timer.join()
    packets = [decode(data) for data in received(listening)]
    assert report.stopped and 5 <= report.frames == len(packets)
    assert max(packet.frame for packet in packets) >= 30  # time goes on
    for packet in packets:
        assert packet.channels[0] == pytest.approx(packet.frame % 10 / 10, abs=1e-6)


def test_a_single_frame_is_held_in_a_loop(face, listening):
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    one = Frames(np.zeros(1), face[None], (50, 1))
    report = stream(one, to=f"livelink::{listening.getsockname()[1]}", fps=(50, 1), loop=True, stop=stop)
    assert 2 <= report.frames <= 13


def test_a_stop_from_outside_ends_a_long_wait(face, listening):
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    report = stream([(0.0, face), (3600.0, face)], to=f"livelink::{listening.getsockname()[1]}", stop=stop)
    assert time.monotonic() - begun < 2 and report.frames == 1 and report.stopped


def test_ctrl_c_ends_a_stream_with_its_report(face, listening):
    def interrupted():
        yield 0.0, face
        raise KeyboardInterrupt

    report = stream(interrupted(), to=f"livelink::{listening.getsockname()[1]}")
    assert report.frames == 1 and report.stopped


def test_vmc_goes_out_in_whole_frames(face, listening):
    frames = steps(face, 8, (50, 1))
    report = stream(frames, to=f"vmc:localhost:{listening.getsockname()[1]}", fps=frames.fps)
    found = [one for data in received(listening) for one in messages_in(data)]
    assert sum(one[0] == "/VMC/Ext/Blend/Apply" for one in found) == report.frames
    assert report.datagrams == 3 * report.frames
    blinks = [one[2] for one in found if one[:2] == ("/VMC/Ext/Blend/Val", "EyeBlinkLeft")]
    assert blinks == sorted(blinks) and len(blinks) == report.frames


def test_the_same_frames_are_the_same_bytes(face, listening):
    sent = []
    for _ in range(2):
        stream([(0.0, face), (0.02, face)], to=f"livelink::{listening.getsockname()[1]}", fps=(50, 1), subject="anna")
        sent.append(received(listening))
    assert sent[0] == sent[1] and len(sent[0]) == 2


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("livelink", ("livelink", "127.0.0.1", 11111)),
        ("vmc", ("vmc", "127.0.0.1", 39539)),
        ("livelink:192.168.0.7", ("livelink", "192.168.0.7", 11111)),
        ("vmc::39540", ("vmc", "127.0.0.1", 39540)),
        ("vmc:studio.local:40000", ("vmc", "studio.local", 40000)),
        ("livelink:[fe80::1]:11112", ("livelink", "fe80::1", 11112)),
        ("livelink:[::1]", ("livelink", "::1", 11111)),
    ],
)
def test_targets_by_name(text, target):
    found = target_of(text)
    assert (found.protocol, found.host, found.port) == target
    assert target_of(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "osc",
        "livelink:host:0",
        "livelink:host:65536",
        "vmc::x",
        "vmc:a b:1",
        "livelink:h:1:2",
        "vmc:h:-1",
        "vmc:39540",
        "vmc:39540:1",
    ],
)
def test_what_is_no_target_is_refused(text):
    with pytest.raises(InputError):
        target_of(text)


def test_frames_that_are_made_once_cannot_loop(face):
    with pytest.raises(InputError, match="loop"):
        stream(((i / 60, face) for i in range(3)), loop=True)


@pytest.mark.parametrize("fps", [(0, 1), (30,), (29.97, 1), (30, -1)])
def test_a_rate_is_two_whole_numbers(face, fps):
    with pytest.raises(InputError, match="rate"):
        stream([(0.0, face)], fps=fps)


def test_a_network_that_refuses_is_told_of(face):
    with pytest.raises(OutputError, match=r"255\.255\.255\.255"):  # broadcasting is asked for nowhere
        stream([(0.0, face)], to="livelink:255.255.255.255")


def test_nobody_listening_is_no_error(face, listening):
    port = listening.getsockname()[1]
    listening.close()
    report = stream([(0.0, face), (0.02, face), (0.04, face)], to=f"livelink::{port}", fps=(50, 1))
    assert report.frames + report.skipped == 3


def test_an_endless_stream_keeps_no_frames(face, listening):
    frames = ((i / 1000, face) for i in itertools.count())
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    report = stream(frames, to=f"livelink::{listening.getsockname()[1]}", fps=(1000, 1), stop=stop)
    assert report.stopped and report.frames > 0
