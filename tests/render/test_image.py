"""Reading any picture as upright sRGB, refusing what is none, writing PNG whole."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from flame_tools.errors import FaceError, FormatError, InputError, OutputError, ShapeError
from render.image import read_image, write_png


def gradient(height=24, width=32):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 10, np.full_like(x, 128)], -1).astype(np.uint8)


def test_png_round_trip_is_exact_and_deterministic(tmp_path):
    for name in "ab":
        write_png(tmp_path / f"{name}.png", gradient())
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), gradient())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=exif)
    image = gradient()
    wanted = {  # EXIF 2.3, tag 274: where row 0 and column 0 of the stored picture belong
        1: image, 2: image[:, ::-1], 3: image[::-1, ::-1], 4: image[::-1], 5: image.transpose(1, 0, 2),
        6: np.rot90(image, -1), 7: image[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(image),
    }[orientation]  # fmt: skip
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), wanted)


def test_cmyk_jpeg_keeps_its_colours(tmp_path):
    image = np.full((16, 16, 3), (200, 80, 40), np.uint8)
    Image.fromarray(image).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - image).max() <= 6  # JPEG's own loss


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_is_scaled(tmp_path, suffix):
    values = np.linspace(0, 65535, 32 * 8).reshape(8, 32).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.shape == (8, 32, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 0], np.rint(values / 257).astype(np.uint8))


def test_sixteen_bit_colour_png_is_scaled(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (6, 5, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    assert np.abs(read_image(tmp_path / "a.png").astype(float) - values / 257).max() <= 1.0


def test_float_tiff_grey_one_bit_and_palette(tmp_path):
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "f.tiff")
    np.testing.assert_array_equal(read_image(tmp_path / "f.tiff")[0, :, 0], [0, 128, 255])
    Image.fromarray(gradient()[..., 0]).save(tmp_path / "l.png")
    np.testing.assert_array_equal(read_image(tmp_path / "l.png"), gradient()[..., :1].repeat(3, 2))
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png")[0, :, 0], [255, 0])
    Image.fromarray(gradient()).quantize(16).save(tmp_path / "p.gif")
    assert np.abs(read_image(tmp_path / "p.gif").astype(int) - gradient()).mean() < 30


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_laid_over_the_matte(tmp_path, mode):
    image = np.zeros((2, 2, 4), np.uint8)
    image[0, 0] = (255, 255, 255, 255)
    image[1, 1] = (0, 0, 0, 255)
    picture = Image.fromarray(image)
    picture = picture.convert(mode) if mode != "P" else picture.quantize(4)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 0], [[255, 255], [255, 0]])
    seen = read_image(tmp_path / "a.png", matte=(10, 20, 30))
    np.testing.assert_array_equal(seen[0, 1], (10, 20, 30))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_profiles_are_followed_whatever_holds_the_colours(tmp_path, mode):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")  # tags of its table: what is called red is green
    profile = profile[:red] + b"gXYZ" + profile[red + 4 : green] + b"rXYZ" + profile[green + 4 :]
    image = Image.new("RGBA", (8, 8), (200, 80, 40, 255 if mode != "RGBA" else 0))
    image.paste((200, 80, 40, 255), (0, 0, 8, 4))
    image.convert(mode).save(tmp_path / "a.png", icc_profile=profile)
    read = read_image(tmp_path / "a.png", matte=(10, 20, 30)).astype(int)
    assert abs(read[:4] - (80, 200, 40)).max() <= 2
    assert abs(read[4:] - ((10, 20, 30) if mode == "RGBA" else (80, 200, 40))).max() <= 2


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_pictures_that_move_are_refused(tmp_path, suffix):
    stills = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 100, 200)]
    stills[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=stills[1:], duration=40)
    with pytest.raises(InputError, match="3 pictures that move"):
        read_image(tmp_path / f"a.{suffix}")


def test_what_is_no_image_is_refused_in_one_line(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(whole, "JPEG")
    cases = {
        "text.jpg": (b"this is no picture\n" * 9, FormatError, "not an image"),
        "empty.png": (b"", FormatError, "is empty"),
        "cut.jpg": (whole.getvalue()[:900], FormatError, "damaged or cut short"),
        "cut.png": ((lambda b: b[: len(b) // 2])(_png_bytes()), FormatError, "damaged or cut short"),
        "broken.png": (_png_bytes()[:40] + b"\xff" * 30 + _png_bytes()[70:], FormatError, "damaged|not an image"),
        "bomb.png": (_bomb(), InputError, "scale it down"),
    }
    for name, (content, error, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=words) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)
    with pytest.raises(InputError, match="does not exist"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)


def _png_bytes():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _bomb():
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_random_damage_never_ends_in_anything_but_our_errors(tmp_path):
    rng = np.random.default_rng(1)
    originals = []
    for format_name in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"):
        buffer = io.BytesIO()
        Image.fromarray(gradient()).save(buffer, format_name)
        originals.append(np.frombuffer(buffer.getvalue(), np.uint8))
    path = tmp_path / "a.img"
    for _ in range(240):
        content = originals[rng.integers(len(originals))].copy()
        content[rng.integers(len(content), size=rng.integers(1, 12))] = rng.integers(256)
        path.write_bytes(content[: rng.integers(1, len(content) + 1)].tobytes())
        try:
            image = read_image(path)
        except FaceError:
            continue
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def test_writing_refuses_and_leaves_nothing(tmp_path):
    with pytest.raises(ShapeError, match=r"float64 \[4, 4, 3\]"):
        write_png(tmp_path / "a.png", np.zeros((4, 4, 3)))
    with pytest.raises(OutputError, match=r"no/a\.png"):
        write_png(tmp_path / "no" / "a.png", gradient())
    assert list(tmp_path.iterdir()) == []
