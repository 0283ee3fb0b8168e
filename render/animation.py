"""Short films as one picture file: animated WebP and GIF, for pages and messages. No sound."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import InputError, OutputError
from render.video import checked_frame, frame_rate_of

LONGEST = 20_000  # frames


def write_animation(
    path: str | os.PathLike,  # NAME.webp or NAME.gif
    frames: Iterable[np.ndarray],  # uint8 sRGB [H, W, 3], all of one size; WebP is written as they come
    fps: Fraction | int | float,
    *,
    quality: int = 80,  # of WebP, 0 to 100
) -> int:  # number of frames written
    """Write an endless loop. GIF has 256 colours, those of its first frame, and shows at most 50 frames a second."""
    from PIL import Image

    path, rate = Path(path), frame_rate_of(fps)
    kind = path.suffix.lower()
    if kind not in (".webp", ".gif"):
        raise OutputError(f"{path.name} is no animation that can be written; wanted it to end in .webp or .gif")
    if kind == ".gif" and rate > 50:
        raise InputError(f"a GIF shows at most 50 frames a second, not {float(rate):g}; leave frames out, or use .webp")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{path.name} would have no frame; wanted at least one")
    first, count = checked_frame(first, None, 0), 1
    palette = Image.fromarray(first).quantize(256) if kind == ".gif" else None

    def image(frame):
        picture = Image.fromarray(np.ascontiguousarray(frame))
        return picture if palette is None else picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)

    def rest():
        nonlocal count
        for frame in itertools.islice(frames, LONGEST - 1):
            checked = checked_frame(frame, first.shape, count)
            count += 1
            yield image(checked)

    # a frame's time is a whole number of milliseconds (GIF: of centiseconds): they add up to the rate
    unit = 10 if kind == ".gif" else 1
    ticks = [int(k * 1000 / (unit * rate)) * unit for k in range(LONGEST + 1)]
    lengths = [after - before for before, after in itertools.pairwise(ticks)]
    options = {"quality": quality, "method": 2} if kind == ".webp" else {"optimize": False, "disposal": 1}
    with written_whole(path) as temporary:
        image(first).save(temporary, kind[1:], save_all=True, append_images=rest(), duration=lengths, loop=0, **options)
    return count
