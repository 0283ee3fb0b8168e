"""Cameras by FFmpeg's input devices: lavfi stands in, an input device that draws its own pictures or shows a film."""

import threading
import time

import numpy as np
import pytest

from flame_tools.errors import InputError
from render.footage import Frame
from render.video import write_video
from render.webcam import Device, camera_frames, device_of, live_frames, newest

FPS = 25


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("webcam") / "grey.mp4"
    write_video(path, (np.full((48, 64, 3), 10 * k, np.uint8) for k in range(20)), FPS)
    return path


@pytest.mark.parametrize(
    "source, platform, form, name",
    [
        ("camera", "linux", "v4l2", "/dev/video0"),
        ("camera:2", "linux", "v4l2", "/dev/video2"),
        ("camera:/dev/v4l/by-id/usb", "linux", "v4l2", "/dev/v4l/by-id/usb"),
        ("camera", "darwin", "avfoundation", "0:none"),
        ("camera:FaceTime HD Camera", "darwin", "avfoundation", "FaceTime HD Camera:none"),
        ("camera:Integrated Webcam", "win32", "dshow", "video=Integrated Webcam"),
    ],
)
def test_a_camera_s_name_is_the_system_s_own(source, platform, form, name):
    assert device_of(source, platform) == Device(form, name)


def test_a_path_is_no_camera_and_windows_wants_a_name():
    assert device_of("cameras/talk.mp4") is None and device_of("talk.mp4") is None
    with pytest.raises(InputError, match="camera:NAME"):
        device_of("camera", "win32")


def test_a_device_s_pictures_come_as_they_are(film):
    seen = []
    for frame in camera_frames(Device("lavfi", f"movie={film}")):
        seen.append(frame)
        if len(seen) == 20:
            break
    assert [frame.number for frame in seen] == list(range(20)) and seen[0].time_s == 0
    assert seen[0].image.shape == (48, 64, 3) and seen[0].image.dtype == np.uint8
    np.testing.assert_allclose([frame.image.mean() for frame in seen], 10 * np.arange(20), atol=3)
    assert np.all(np.diff([frame.time_s for frame in seen]) >= 0)


def test_stop_ends_a_camera():
    stop, count = threading.Event(), 0
    for _ in camera_frames(Device("lavfi", "testsrc=size=64x48:rate=200"), stop=stop):
        count += 1
        if count == 3:
            stop.set()
    assert count == 3


def test_no_camera_says_so():
    with pytest.raises(InputError, match=r"no camera can be opened as .*camera:NAME"):
        list(camera_frames(Device("v4l2", "/dev/there-is-none")))
    with pytest.raises(InputError, match="no pictures"):
        list(camera_frames(Device("lavfi", "sine=duration=0.1")))


def test_a_film_takes_its_time(film):
    begun = time.monotonic()
    numbers = [frame.number for frame in live_frames(film)]
    assert 0.7 < time.monotonic() - begun < 10 and numbers == sorted(set(numbers)) and numbers[-1] == 19
    assert [frame.number for frame in live_frames(film, paced=False)] == list(range(20))


def test_who_is_slow_gets_the_newest_picture():
    image = np.zeros((2, 2, 3), np.uint8)

    def frames():
        for k in range(30):
            time.sleep(0.005)
            yield Frame(k, 0.005 * k, image)

    seen = []
    for frame in newest(frames(), threading.Event()):
        seen.append(frame.number)
        time.sleep(0.04)
    assert len(seen) < 15 and seen == sorted(seen) and seen[-1] == 29


def test_what_goes_wrong_beside_is_raised_here():
    def frames():
        yield Frame(0, 0.0, np.zeros((2, 2, 3), np.uint8))
        raise InputError("unplugged")

    with pytest.raises(InputError, match="unplugged"):
        list(newest(frames(), threading.Event()))
