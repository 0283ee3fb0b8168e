"""A track's relief as pictures: a normal map for materials, and its heights in 16 bits."""

from __future__ import annotations

import io
import os

import numpy as np

from flame_tools.archive import PNG_LEVEL, written_whole
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.posing import person
from flame_tools.surface.relief import normal_map, slopes_of
from flame_tools.track_check import check_track
from flame_tools.types import Track

STEP_MM, ZERO = 0.0001, 32768  # of a picture of heights: mm = (value - ZERO) * STEP_MM, so 3.28 mm at most


def normal_png(track: Track, head: Head) -> bytes | None:
    """The relief as a PNG file of tangent-space normals, as glTF has them.

    None where the track has none, or the head no UV to wear it by.
    """
    if track.appearance is None or track.appearance.detail is None or not len(head.arrays.uv):
        return None
    from PIL import Image

    slopes = slopes_of(track.appearance.detail, head.arrays, person(track, head).v_template.numpy())
    stream = io.BytesIO()
    Image.fromarray(normal_map(slopes)).save(stream, "PNG", compress_level=PNG_LEVEL)
    return stream.getvalue()


def write_heights(track: Track, head: Head, path: str | os.PathLike) -> None:
    """The relief as a 16-bit grey PNG over the head's UV: mm along the normal = (value - 32768) / 10000.

    The file says so itself, in its text "Description". Raises InputError where the track has no relief.
    """
    check_track(track)
    if track.appearance is None or track.appearance.detail is None:
        raise InputError(f"{path} holds relief, and the track has none; reconstruct it from a photo with --detail")
    from PIL import Image, PngImagePlugin

    values = np.rint(1000 * np.asarray(track.appearance.detail, np.float64) / STEP_MM) + ZERO
    words = PngImagePlugin.PngInfo()
    words.add_itxt("Description", f"heights over UV: mm along the normal = (value - {ZERO}) * {STEP_MM}")
    words.add_itxt("Copyright", "; ".join(licences_of(track, head.arrays)))
    picture = Image.fromarray(np.clip(values, 0, 65535).astype(np.uint16))
    with written_whole(path) as temporary:
        picture.save(temporary, "PNG", compress_level=PNG_LEVEL, pnginfo=words)
