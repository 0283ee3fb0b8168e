"""Films in: times, turns, colours, sound, seeking, and files that are not what they should be."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from flame_tools.errors import FormatError, InputError
from render.footage import frames_at, open_footage
from render.footage_file import constant_rate
from render.footage_picture import upright
from render.video import write_video

GREYS = np.arange(40, 220, 6)


def grey_frames(count, size=(48, 64)):
    """Frame k is of the grey GREYS[k % 30], with a bright block at the top left."""
    for k in range(count):
        image = np.full((*size, 3), GREYS[k % len(GREYS)], np.uint8)
        image[:8, :16] = (250, 40, 40)
        yield image


def encode(
    path, frames, ticks, *, unit=Fraction(1, 1000), codec="libx264", pix_fmt="yuv420p", options=None, context=None
):
    """Write frames (arrays or av frames) at presentation ticks."""
    with av.open(str(path), "w") as file:
        stream = None
        for frame, tick in zip(frames, ticks, strict=True):
            if isinstance(frame, np.ndarray):
                frame = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if stream is None:
                stream = file.add_stream(codec, rate=25, options=options or {})
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
                stream.time_base = stream.codec_context.time_base = unit
                for name, value in (context or {}).items():
                    setattr(stream.codec_context, name, value)
            frame.pts, frame.time_base = tick, unit
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """150 frames at 30000/1001 with B-frames, a key frame every 24, and a click at 1.2 s."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    sound = np.zeros(2 * 48000 * 2, np.float32)
    sound[57600:57800] = 0.7
    ticks = [k * 1001 for k in range(150)]
    frames = list(grey_frames(150))
    encode(path, frames, ticks, unit=Fraction(1, 30000), options={"g": "24", "bf": "3"})
    with_sound = path.with_name("sound.mp4")
    write_video(with_sound, frames, Fraction(30000, 1001), sound, 48000, audio_start_s=0.25)
    return path, with_sound


def test_a_constant_rate_is_found_and_times_are_exact(clip):
    footage = open_footage(clip[0])
    frames = list(footage.frames())
    assert footage.fps == Fraction(30000, 1001) and footage.count == 150 and footage.size == (64, 48)
    assert [f.number for f in frames] == list(range(150))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(150) * 1001 / 30000, rtol=1e-15)
    assert footage.duration_s == pytest.approx(150 * 1001 / 30000)
    for frame in frames:
        assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
        assert abs(int(frame.image[40, 50].mean()) - GREYS[frame.number % 30]) <= 2


@pytest.mark.parametrize("start", [1, 47, 73, 149, 150])
def test_seeking_gives_the_same_pixels(clip, start):
    footage = open_footage(clip[0])
    every = list(footage.frames())
    later = list(footage.frames(start))
    assert [f.number for f in later] == list(range(start, 150))
    for a, b in zip(every[start:], later, strict=True):
        assert a.time_s == b.time_s
        assert np.array_equal(a.image, b.image)


def test_frames_that_are_picked_are_those_of_the_whole_film(clip, monkeypatch):
    monkeypatch.setattr("render.footage.NEAR", 30)
    footage = open_footage(clip[0])
    wanted, starts = [3, 4, 20, 75, 149], []
    draw = footage.frames
    monkeypatch.setattr(footage, "frames", lambda start: starts.append(start) or draw(start))
    found, whole = list(frames_at(footage, wanted)), list(draw())
    assert [frame.number for frame in found] == wanted and starts == [3, 75, 149]
    assert all(np.array_equal(frame.image, whole[frame.number].image) for frame in found)
    with pytest.raises(InputError, match="frame 7 was asked for after frame 9"):
        list(frames_at(footage, [9, 7]))
    with pytest.raises(FormatError, match="frame 150 of 150"):
        list(frames_at(footage, [150]))


def test_a_variable_rate_keeps_its_times(tmp_path):
    steps = np.array([33, 34, 50, 17, 100, 33, 33, 200, 16, 16, 40, 33])
    ticks = 500 + np.concatenate([[0], np.cumsum(steps)])
    path = tmp_path / "phone.mkv"
    encode(path, grey_frames(len(ticks)), ticks.tolist())
    footage = open_footage(path)
    assert footage.fps is None
    np.testing.assert_allclose([f.time_s for f in footage.frames()], (ticks - 500) / 1000, atol=1e-9)
    np.testing.assert_array_equal(footage.times_s, [f.time_s for f in footage.frames()])


@pytest.mark.parametrize(
    "rate", [Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001), Fraction(12)]
)
def test_rates_are_told_through_milliseconds(rate):
    ticks = np.array([round(k * 1000 / rate) for k in range(700)])
    assert constant_rate(ticks, Fraction(1, 1000)) == rate
    ticks[300:] += 12
    assert constant_rate(ticks, Fraction(1, 1000)) is None


def test_sound_stays_where_it_was(clip):
    sound = open_footage(clip[1]).sound()
    assert sound.samples.dtype == np.float32 and sound.samples.ndim == 1 and sound.rate == 48000
    onset = sound.start_s + np.argmax(np.abs(sound.samples) > 0.3) / sound.rate
    assert abs(onset - (1.2 + 0.25)) < 0.003
    assert open_footage(clip[0]).sound() is None


def test_stereo_is_averaged(tmp_path):
    path = tmp_path / "stereo.mp4"
    tone = 0.5 * np.sin(np.arange(48000) * 2 * np.pi * 300 / 48000).astype(np.float32)
    write_video(path, grey_frames(25), 25, np.stack([tone, np.zeros_like(tone)]), 48000)
    loud = np.abs(open_footage(path).sound().samples[8000:40000]).max()
    assert 0.23 < loud < 0.27


def set_display_matrix(path, matrix):
    """Write a track's matrix (ISO/IEC 14496-12, 8.3.2): the last 44 bytes of its `tkhd` but for width and height."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd")
    size = struct.unpack(">I", data[at - 4 : at])[0]
    a, b, c, d, x, y = matrix
    one = 1 << 16
    fixed = [a * one, b * one, 0, c * one, d * one, 0, x * one, y * one, 1 << 30]
    end = at - 4 + size
    data[end - 44 : end - 8] = struct.pack(">9i", *fixed)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "matrix, corner",  # where the block at the stored picture's top left is seen
    [
        ((0, 1, -1, 0, 48, 0), (0, -1)),  # a phone held upright: a quarter turn clockwise
        ((0, -1, 1, 0, 0, 64), (-1, 0)),
        ((-1, 0, 0, -1, 64, 48), (-1, -1)),
        ((-1, 0, 0, 1, 64, 0), (0, -1)),  # a mirrored selfie
    ],
)
def test_a_turned_film_stands_upright(tmp_path, matrix, corner):
    path = tmp_path / "turned.mp4"
    encode(path, grey_frames(5), [k * 1000 for k in range(5)], unit=Fraction(1, 30000))
    set_display_matrix(path, matrix)
    footage = open_footage(path)
    frame = next(footage.frames())
    assert footage.size == ((48, 64) if matrix[0] == 0 else (64, 48)) == frame.image.shape[1::-1]
    row, column = (3 if c == 0 else -4 for c in corner)
    seen = [frame.image[y, x].astype(int) for y in (3, -4) for x in (3, -4)]
    assert frame.image[row, column, 0] > 200 and frame.image[row, column, 1] < 90
    assert sum(s[0] > 200 and s[1] < 90 for s in seen) == 1


def test_upright_follows_the_standard():
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    turned = upright(picture, np.array([0, 65536, 0, -65536, 0, 0, 0, 0, 1], float))
    assert turned[..., 0].tolist() == [[3, 0], [4, 1], [5, 2]]  # clockwise
    assert upright(picture, None)[..., 0].tolist() == picture[..., 0].tolist()


COLOURS = np.array(
    [[200, 150, 120], [40, 60, 90], [250, 250, 250], [10, 10, 10], [180, 40, 60], [20, 160, 70]], np.uint8
)
MATRICES = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}  # Kr, Kb


def yuv_frame(matrix, full, bits, size=(36, 96)):
    """Six colours side by side, converted here by the definition of ITU-R BT.601 and BT.709."""
    kr, kb = MATRICES[matrix]
    rgb = np.repeat(COLOURS[None], size[0], 0).repeat(size[1] // 6, 1) / 255.0
    y = rgb @ [kr, 1 - kr - kb, kb]
    cb, cr = (rgb[..., 2] - y) / (2 * (1 - kb)), (rgb[..., 0] - y) / (2 * (1 - kr))
    scale = 2 ** (bits - 8)
    top = 2**bits - 1
    ranges = (0, top, top) if full else (16 * scale, 219 * scale, 224 * scale)
    planes = [ranges[0] + y * ranges[1], cb * ranges[2] + 128 * scale, cr * ranges[2] + 128 * scale]
    dtype = np.uint8 if bits == 8 else np.uint16
    planes = [np.rint(p).clip(0, top).astype(dtype) for p in planes]
    frame = av.VideoFrame(size[1], size[0], "yuv444p" if bits == 8 else "yuv444p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        lines = np.frombuffer(plane, np.uint8).reshape(size[0], plane.line_size)
        padded = np.zeros(lines.shape, np.uint8)
        raw = values.view(np.uint8).reshape(size[0], -1)
        padded[:, : raw.shape[1]] = raw
        plane.update(padded.tobytes())
    return frame


@pytest.mark.parametrize("matrix, code", [("601", 6), ("709", 1), ("601", 2)])  # 2: the file does not say
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
def test_colours_come_through_their_own_matrix_and_range(tmp_path, matrix, code, full, bits):
    frame = yuv_frame(matrix, full, bits)
    path = tmp_path / "colours.mkv"
    encode(
        path, [frame], [0], codec="ffv1", pix_fmt=frame.format.name,
        context={"colorspace": code, "color_range": 2 if full else 1},
    )  # fmt: skip
    image = next(open_footage(path).frames()).image
    middles = image[18, 8::16].astype(int)
    assert np.abs(middles - COLOURS).max() <= 3  # rounding of 8 bits through the matrix


def test_odd_sizes_and_oblong_pixels(tmp_path):
    path = tmp_path / "odd.mkv"
    image = np.zeros((33, 65, 3), np.uint8)
    image[:, 60:] = 255
    encode(path, [image], [0], codec="ffv1", pix_fmt="yuv420p")
    seen = next(open_footage(path).frames()).image
    assert seen.shape == (33, 65, 3)
    assert seen[:, 62:].min() > 240 and seen[:, :58].max() < 15

    path = tmp_path / "dv.mp4"
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, :32] = 255
    encode(path, [image] * 2, [0, 40], context={"sample_aspect_ratio": Fraction(16, 11)})
    footage = open_footage(path)
    seen = next(footage.frames()).image
    assert footage.size == (93, 32) and seen.shape == (32, 93, 3)
    assert seen[16, 42].mean() > 200 and seen[16, 51].mean() < 50


def test_a_gif_and_a_folder(tmp_path):
    frames = list(grey_frames(12))
    gif = tmp_path / "a.gif"
    Image.fromarray(frames[0]).save(gif, save_all=True, append_images=map(Image.fromarray, frames[1:]), duration=80)
    footage = open_footage(gif)
    assert footage.fps == Fraction(25, 2) and footage.count == 12
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    for k, image in enumerate(frames):
        Image.fromarray(image).save(folder / f"shot{k}.png")  # shot10 comes after shot9
    pictures = open_footage(folder, fps=Fraction(25, 2))
    assert pictures.count == 12 and pictures.size == (64, 48) and pictures.sound() is None
    for a, b, image in zip(footage.frames(), pictures.frames(), frames, strict=True):
        assert a.number == b.number and a.time_s == pytest.approx(b.time_s, abs=1e-9)
        assert np.abs(a.image.astype(int) - image).max() <= 2 and np.array_equal(b.image, image)
    assert [f.number for f in pictures.frames(10)] == [10, 11]
    Image.fromarray(frames[0][:20]).save(folder / "shot99.png")
    with pytest.raises(InputError, match=r"shot99.png is 64 x 20, but shot0.png is 64 x 48"):
        list(open_footage(folder).frames())


def test_interlaced_pictures_have_no_combs(tmp_path):
    image = np.zeros((64, 96, 3), np.uint8)
    image[::2, 20:40] = 255  # one field has the bar here,
    image[1::2, 50:70] = 255  # the other has it there
    path = tmp_path / "tape.mkv"
    encode(
        path, [image] * 4, range(4), unit=Fraction(1, 25), codec="mpeg2video",
        options={"flags": "+ildct+ilme", "b": "8000000"},
    )  # fmt: skip
    seen = next(open_footage(path).frames()).image.astype(int)
    assert np.abs(np.diff(seen[8:-8, 25:35, 1], axis=0)).max() < 60


def test_files_that_are_no_films(tmp_path, clip):
    with pytest.raises(InputError, match="does not exist"):
        open_footage(tmp_path / "nowhere.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(FormatError, match="is empty"):
        open_footage(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("not a film " * 500)
    with pytest.raises(FormatError, match="no film that can be read"):
        open_footage(tmp_path / "text.mp4")
    whole = clip[0].read_bytes()
    (tmp_path / "headless.mp4").write_bytes(whole[: len(whole) // 2])  # its index lies at the end
    with pytest.raises(FormatError, match="damaged"):
        open_footage(tmp_path / "headless.mp4")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        open_footage(tmp_path / "none")
    with pytest.raises(InputError, match="fps is for folders"):
        open_footage(clip[0], fps=25)


def test_a_film_that_breaks_off_is_refused(tmp_path, clip):
    whole = clip[1].read_bytes()  # its index comes first
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    with pytest.raises(FormatError, match=r"cut short|breaks off|damaged"):
        list(open_footage(path).frames())


def test_frames_beyond_the_limit_are_refused(tmp_path, monkeypatch):
    from render import footage_file

    path = tmp_path / "large.mkv"
    encode(path, [np.zeros((96, 128, 3), np.uint8)] * 2, [0, 40], codec="ffv1")
    monkeypatch.setattr(footage_file, "MAX_PIXELS", 96 * 128 - 1)
    with pytest.raises(InputError, match="128 x 96 pixels, more than 12287"):
        open_footage(path)
    monkeypatch.setattr(footage_file, "MAX_PIXELS", 96 * 128)
    assert open_footage(path).size == (128, 96)
    monkeypatch.setattr(footage_file, "MAX_FRAMES", 1)
    with pytest.raises(InputError, match="more than 1 frames"):
        open_footage(path)


def test_play_lists_reach_nothing(tmp_path, clip):
    """A play list names files of others' choice; none may be opened through it."""
    for name, text in {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{clip[0]}\n#EXT-X-ENDLIST\n",
        "b.mp4": f"ffconcat version 1.0\nfile '{clip[0]}'\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(FormatError, match="no film that can be read"):
            open_footage(tmp_path / name)


@pytest.mark.parametrize("seed", range(6))
def test_damaged_bytes_end_in_a_film_or_a_refusal(tmp_path, clip, seed):
    rng = np.random.default_rng(seed)
    data = bytearray(clip[0].read_bytes())
    for at in rng.integers(0, len(data), 40):
        data[at] = rng.integers(0, 256)
    path = tmp_path / "bad.mp4"
    path.write_bytes(data)
    try:
        footage = open_footage(path)
        for frame in footage.frames():
            assert frame.image.shape[1::-1] == footage.size
    except (FormatError, InputError) as refusal:
        assert str(path) in str(refusal)
