"""MP4: sound and picture together, colours, sizes, memory, and nothing half-written."""

from fractions import Fraction

import av
import numpy as np
import pytest

from flame_tools.errors import InputError, OutputError, ShapeError
from render.video import write_video


def read_back(path):
    """Frame times [T] s, frames [T, H, W, 3], sample rate, first sample's time, samples [C, N] of a decoded file."""
    times, frames, blocks, start, rate = [], [], [], None, 0
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            times.append(frame.time)
            frames.append(frame.to_ndarray(format="rgb24"))
    with av.open(str(path)) as file:
        if file.streams.audio:
            for frame in file.decode(audio=0):
                start = frame.time if start is None else start
                rate = frame.sample_rate
                blocks.append(frame.to_ndarray())
    return np.array(times), np.array(frames), rate, start, np.concatenate(blocks, 1) if blocks else None


def clicks(rate, seconds, at):
    sound = np.zeros(int(rate * seconds), np.float32)
    for second in at:
        start = round(second * rate)
        sound[start : start + rate // 200] = 0.8 * np.sin(np.arange(rate // 200) * 2 * np.pi * 1000 / rate)
    return sound


def flashes(frames, lit, size=(64, 64)):
    for k in range(frames):
        yield np.full((*size, 3), 230 if k in lit else 20, np.uint8)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
def test_flash_and_click_stay_together(tmp_path, fps, rate):
    lit = [round(second * fps) for second in (0.4, 1.2, 1.9)]
    at = [float(k / fps) for k in lit]
    path = tmp_path / "clip.mp4"
    assert write_video(path, flashes(int(2.4 * fps), lit), fps, clicks(rate, 2.4, at), rate) == int(2.4 * fps)
    times, frames, decoded_rate, start, sound = read_back(path)
    bright = frames.mean((1, 2, 3)) > 128
    flash_s = times[np.flatnonzero(bright & ~np.roll(bright, 1))]
    loud = np.abs(sound[0]) > 0.3
    onset = np.flatnonzero(loud & (np.convolve(loud, np.ones(decoded_rate // 20), "full")[: len(loud)] == 1))
    click_s = start + onset / decoded_rate
    assert len(flash_s) == len(click_s) == 3
    assert np.abs(flash_s - at).max() < 1e-3
    assert np.abs(click_s - flash_s).max() < 0.003  # worst seen 0.7 ms: a 1 kHz click's rise and the encoder's pre-echo
    np.testing.assert_allclose(np.diff(times), float(1 / fps), atol=1e-4)


@pytest.mark.parametrize("start_s", [0.25, -0.25])
def test_sound_may_start_before_or_after_the_pictures(tmp_path, start_s):
    path = tmp_path / "clip.mp4"
    write_video(path, flashes(30, ()), 30, clicks(16000, 1, [0.5]), 16000, audio_start_s=start_s)
    _, _, rate, start, sound = read_back(path)
    assert abs(start + np.argmax(np.abs(sound[0]) > 0.3) / rate - (0.5 + start_s)) < 0.003


def test_stereo_stays_stereo_and_sound_may_outlast_the_pictures(tmp_path):
    path = tmp_path / "clip.mp4"
    sound = np.stack([clicks(48000, 1.5, [0.2]), clicks(48000, 1.5, [1.3])])
    write_video(path, flashes(10, ()), 10, sound, 48000)
    _, frames, rate, _, decoded = read_back(path)
    assert decoded.shape[0] == 2 and decoded.shape[1] / rate >= 1.49 and len(frames) == 10
    loudest = np.abs(decoded).argmax(1) / rate
    np.testing.assert_allclose(loudest, [0.2, 1.3], atol=0.01)


def test_colours_come_back_and_odd_sizes_are_padded(tmp_path):
    colours = np.array([[200, 150, 120], [40, 60, 90], [250, 250, 250], [10, 10, 10], [180, 40, 60]], np.uint8)
    image = np.repeat(np.repeat(colours[None], 33, 0), 13, 1)  # 33 x 65
    path = tmp_path / "odd.mp4"
    write_video(path, [image] * 5, 25, quality=10)
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt, stream.codec_context.name) == (66, 34, "yuv420p", "h264")
        assert stream.codec_context.colorspace == 1  # BT.709
        frame = next(file.decode(video=0)).reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    middles = frame[16, 6 : 6 + 13 * 5 : 13].astype(int)
    assert (
        np.abs(middles - colours).max() <= 4
    )  # 8-bit YUV rounding and the encoder; BT.601 read as 709 is off by over 10


def test_same_frames_same_bytes(tmp_path):
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", flashes(20, (3,)), 30, clicks(16000, 0.6, [0.1]), 16000)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_long_clips_need_no_more_memory(tmp_path):
    import resource

    def peak_mb():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    write_video(tmp_path / "short.mp4", flashes(80, (), (480, 640)), 30)
    before = peak_mb()
    write_video(tmp_path / "long.mp4", flashes(280, (), (480, 640)), 30)  # 258 MB of frames
    assert peak_mb() - before < 60


def test_nothing_is_left_when_a_frame_fails(tmp_path):
    def broken():
        yield np.zeros((16, 16, 3), np.uint8)
        raise InputError("the head ran away")

    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the old one")
    with pytest.raises(InputError, match="ran away"):
        write_video(path, broken(), 30)
    with pytest.raises(ShapeError, match=r"frame 1 is \[8, 16, 3\]"):
        write_video(path, [np.zeros((16, 16, 3), np.uint8), np.zeros((8, 16, 3), np.uint8)], 30)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"] and path.read_bytes() == b"the old one"


def test_refusals(tmp_path):
    frame = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(InputError, match="no frame"):
        write_video(tmp_path / "a.mp4", [], 30)
    with pytest.raises(ShapeError, match="fps is 0"):
        write_video(tmp_path / "a.mp4", [frame], 0)
    with pytest.raises(ShapeError, match="float32"):
        write_video(tmp_path / "a.mp4", [frame.astype(np.float32)], 30)
    with pytest.raises(ShapeError, match="audio_rate is 0"):
        write_video(tmp_path / "a.mp4", [frame], 30, np.zeros(100))
    with pytest.raises(InputError, match="NaN"):
        write_video(tmp_path / "a.mp4", [frame], 30, np.full(100, np.nan), 16000)
    with pytest.raises(OutputError, match=r"a.gif .*\.mp4"):
        write_video(tmp_path / "a.gif", [frame], 30)
    with pytest.raises(OutputError, match=r"missing/a\.mp4"):
        write_video(tmp_path / "missing" / "a.mp4", [frame], 30)
    assert list(tmp_path.iterdir()) == []


def test_frames_at_uneven_times_are_shown_at_them_and_sound_stays_beside_them(tmp_path):
    times = 3.0 + np.cumsum([0, 0.033, 0.034, 0.1, 0.02, 0.25, 0.04, 0.5])
    lit, rate = 5, 16000
    sound = clicks(rate, 1.2, [times[lit] - times[0]])
    write_video(tmp_path / "a.mp4", flashes(8, {lit}), 8, sound, rate, times_s=times)
    shown, frames, heard_rate, start, heard = read_back(tmp_path / "a.mp4")
    np.testing.assert_allclose(shown, times - times[0], atol=1e-5)
    assert [i for i, frame in enumerate(frames) if frame.mean() > 100] == [lit]
    click = start + np.abs(heard[0]).argmax() / heard_rate
    assert abs(click - shown[lit]) < 0.03


@pytest.mark.parametrize("times", [[0.0, 0.1, 0.1], [0.0, np.nan, 0.2], [[0.0, 0.1, 0.2]], []])
def test_times_that_do_not_rise_are_refused(tmp_path, times):
    with pytest.raises(ShapeError, match="times_s"):
        write_video(tmp_path / "a.mp4", flashes(3, set()), 10, times_s=np.array(times))


def test_more_frames_than_times_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match="more frames than the 2"):
        write_video(tmp_path / "a.mp4", flashes(3, set()), 10, times_s=np.array([0.0, 0.1]))
    assert not list(tmp_path.iterdir())
