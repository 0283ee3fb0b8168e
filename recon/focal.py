"""The focal length of a photo in pixels, where its EXIF data tells."""

from __future__ import annotations

import os

FULL_FRAME_DIAGONAL_MM = 43.267  # of 36 x 24 mm, to which "35 mm equivalent" refers (CIPA DCG-001)
_EXIF, _FOCAL_35MM = 0x8769, 0xA405


def focal_from_exif(path: str | os.PathLike) -> float | None:
    """Pixels, or None where the file does not say, or says what cannot be.

    A picture that was cropped keeps the EXIF of the whole one; its focal length then reads too short. Where EXIF also
    holds the size of the whole picture and it differs, None is returned.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            width, height = picture.size
            inner = picture.getexif().get_ifd(_EXIF)
            equivalent = float(inner.get(_FOCAL_35MM, 0))
            whole = {int(inner.get(0xA002, 0)), int(inner.get(0xA003, 0))}
    except (OSError, ValueError, TypeError, SyntaxError, KeyError, ZeroDivisionError):
        return None
    if not 8 <= equivalent <= 2000 or whole not in ({0}, {width, height}):
        return None
    return equivalent / FULL_FRAME_DIAGONAL_MM * (width**2 + height**2) ** 0.5
