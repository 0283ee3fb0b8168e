"""The focal length of a photo or a film in pixels, where the camera wrote it down."""

from __future__ import annotations

import os
import warnings

from render.footage import Footage, PictureFolder
from render.quicktime import focal_35mm

FULL_FRAME_DIAGONAL_MM = 43.267  # of 36 x 24 mm, to which "35 mm equivalent" refers (CIPA DCG-001)
_EXIF, _FOCAL_35MM = 0x8769, 0xA405


def focal_from_exif(path: str | os.PathLike) -> float | None:
    """Pixels, or None where the file does not say, or says what cannot be.

    A picture that was cropped keeps the EXIF of the whole one; its focal length then reads too short. Where EXIF also
    holds the size of the whole picture and it differs, None is returned.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd entries say nothing
            with Image.open(path) as picture:
                width, height = picture.size
                inner = picture.getexif().get_ifd(_EXIF)
            equivalent = float(inner.get(_FOCAL_35MM, 0))
            whole = {int(inner.get(0xA002, 0)), int(inner.get(0xA003, 0))}
    except (OSError, ValueError, TypeError, SyntaxError, KeyError, ZeroDivisionError):
        return None
    if not 8 <= equivalent <= 2000 or whole not in ({0}, {width, height}):
        return None
    return _pixels(equivalent, (width, height))


def focal_from_film(footage: Footage) -> float | None:
    """Pixels, by what a phone writes into QuickTime files, or by the EXIF data of a folder's first picture; or None."""
    if isinstance(footage, PictureFolder):
        return focal_from_exif(footage.files[0])
    equivalent = focal_35mm(footage.path)
    return None if equivalent is None else _pixels(equivalent, footage.size)


def _pixels(equivalent_mm: float, size: tuple[int, int]) -> float:
    return equivalent_mm / FULL_FRAME_DIAGONAL_MM * (size[0] ** 2 + size[1] ** 2) ** 0.5
