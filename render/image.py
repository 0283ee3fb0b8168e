"""Images from files and to files, safely: whatever is inside, uint8 sRGB [H, W, 3] comes out, upright."""

from __future__ import annotations

import os
import warnings
import zlib
from pathlib import Path

import numpy as np

from flame_tools.archive import PNG_LEVEL, written_whole
from flame_tools.errors import FormatError, InputError, ShapeError

MAX_PIXELS = 120_000_000
_WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


def read_image(
    path: str | os.PathLike,
    *,
    matte: tuple[int, int, int] = (255, 255, 255),  # what shows through transparent pixels
) -> np.ndarray:  # [H, W, 3] uint8 sRGB
    """Read one picture: EXIF rotation applied, CMYK and ICC converted, 16 bits scaled, alpha laid over `matte`.

    Raises InputError where there is no such file or nothing in it can be used, FormatError where it is no whole image.
    """
    path = Path(path)
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {kind}; wanted an image file (PNG, JPEG, WebP, TIFF, ...)")
    if path.stat().st_size == 0:
        raise FormatError(f"{path} is empty; wanted an image file (PNG, JPEG, WebP, TIFF, ...)")
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are checked below; odd EXIF entries do not concern us
            with Image.open(path) as picture:
                _check_size(path, picture.size)
                if picture.format in ("PNG", "WEBP") and getattr(picture, "is_animated", False):
                    raise InputError(
                        f"{path} holds {picture.n_frames} pictures that move; export one of them, or a film (MP4, GIF)"
                    )
                picture.load()
                picture = ImageOps.exif_transpose(picture)
                pixels = _to_rgb(picture, matte)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise FormatError(
            f"{path} is not an image that can be read; wanted PNG, JPEG, WebP, TIFF or the like"
        ) from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} claims more than {MAX_PIXELS} pixels; scale it down first") from None
    except PermissionError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from None
    except MemoryError:
        raise InputError(f"{path} does not fit in memory; scale it down first") from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{path} is damaged or cut short ({reason}); wanted a whole image file") from None
    return np.ascontiguousarray(pixels)


def write_png(
    path: str | os.PathLike,
    image: np.ndarray,  # uint8 [H, W, 3] or [H, W, 4] (straight alpha)
    *,
    copyright: str = "",  # what the file says of its licences
) -> None:
    """Write a PNG whole or not at all; the same pixels give the same bytes."""
    from PIL import Image, PngImagePlugin

    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or 0 in image.shape:
        raise ShapeError(f"image is {image.dtype} {list(image.shape)}, wanted uint8 [H, W, 3] or [H, W, 4]")
    words = PngImagePlugin.PngInfo()
    if copyright:
        words.add_itxt("Copyright", copyright)
    with written_whole(path) as temporary:
        Image.fromarray(np.ascontiguousarray(image)).save(temporary, "PNG", compress_level=PNG_LEVEL, pnginfo=words)


def _check_size(path, size):
    width, height = size
    if width * height > MAX_PIXELS:
        raise InputError(f"{path} has {width} x {height} pixels, more than {MAX_PIXELS}; scale it down first")
    if width < 1 or height < 1:
        raise FormatError(f"{path} has {width} x {height} pixels; wanted a picture")


def _to_rgb(picture, matte) -> np.ndarray:
    """A loaded PIL picture of any mode to uint8 [H, W, 3]."""
    from PIL import Image

    if picture.mode in _WIDE_MODES:
        return _narrowed(np.asarray(picture))[..., None].repeat(3, 2)
    if picture.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in picture.info:
        return np.asarray(_to_srgb(picture))
    layer = picture.convert("RGBA")
    colours = _to_srgb(layer.convert("L" if picture.mode in ("L", "LA") else "RGB"))  # profiles know no alpha
    colours.putalpha(layer.getchannel("A"))
    ground = Image.new("RGBA", layer.size, (*matte, 255))
    return np.asarray(Image.alpha_composite(ground, colours).convert("RGB"))


def _narrowed(values: np.ndarray) -> np.ndarray:
    """Wide greyscale to bytes: integers from 16 bits (8 where none needs more), floats from [0, 1] or their range."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        top = 1.0 if values.max(initial=0) <= 1.0 else 255.0 if values.max(initial=0) <= 255.0 else values.max()
        return np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    values = values.astype(np.int64)
    top = 255 if values.max(initial=0) <= 255 else 65535
    return np.rint(np.clip(values, 0, top) * (255 / top)).astype(np.uint8)


def _to_srgb(picture):
    """A picture without alpha as RGB by its ICC profile; where that is broken or absent it is taken as it is."""
    profile = picture.info.get("icc_profile")
    if picture.mode == "P":
        picture = picture.convert("RGB")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        import io

        from PIL import ImageCms

        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        picture = converted or picture
    return picture.convert("RGB")
