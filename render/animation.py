"""Short films as one picture file: animated WebP and GIF, for pages and messages. No sound."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import InputError, OutputError
from render.video import checked_frame, frame_rate_of

LONGEST = 20_000  # frames
MOST_BYTES = 2 << 30  # of all frames: Pillow holds them unpacked until the last has come
DITHER = 5.0  # levels of 255 from the lowest to the highest of the pattern: about a step of the palette
SAMPLES = 2_000  # pixels of each frame that have a say in the palette
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16 - 15 / 32


def write_animation(
    path: str | os.PathLike,  # NAME.webp or NAME.gif
    frames: Iterable[np.ndarray],  # uint8 sRGB [H, W, 3], all of one size
    fps: Fraction | int | float,
    *,
    quality: int = 80,  # of WebP, 0 to 100
) -> int:  # number of frames written
    """Write an endless loop. GIF has 256 colours for all frames, times in hundredths of a second and at most 50
    frames a second.

    Raises InputError beyond LONGEST frames or MOST_BYTES of them.
    """
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
    first, count = checked_frame(first, None, 0), 0

    def checked():
        nonlocal count
        most = min(LONGEST, MOST_BYTES // first.nbytes)
        for frame in itertools.chain([first], frames):
            if count == most:
                raise InputError(
                    f"{path.name} would have more than {most} frames of {first.shape[1]} x {first.shape[0]}, more than "
                    "memory should hold; write an MP4, or fewer or smaller frames"
                )
            yield np.ascontiguousarray(checked_frame(frame, first.shape, count))
            count += 1

    # a frame's time is a whole number of milliseconds (GIF: of centiseconds): they add up to the rate
    unit = 10 if kind == ".gif" else 1
    ticks = [int(k * 1000 / (unit * rate)) * unit for k in range(LONGEST + 1)]
    lengths = [after - before for before, after in itertools.pairwise(ticks)]
    with written_whole(path) as temporary, contextlib.ExitStack() as stack:
        if kind == ".webp":
            images = map(_image, checked())
            options = {"quality": quality, "method": 2}
        else:
            images = _with_palette(stack.enter_context(tempfile.TemporaryFile()), checked(), first.shape)
            options = {"optimize": False, "disposal": 1}
        head = next(images)
        head.save(temporary, kind[1:], save_all=True, append_images=images, duration=lengths, loop=0, **options)
    return count


def _image(frame):
    from PIL import Image

    return Image.fromarray(frame)


def _with_palette(file, frames, shape):
    """Pictures of one palette of all frames, which wait in a file until it is known.

    The same pattern is laid over every frame before each pixel takes its nearest colour: it breaks up bands as
    error diffusion does, but stands still, so nothing flickers and frames pack well.
    """
    from PIL import Image

    samples = []
    step = max(1, round(math.sqrt(shape[0] * shape[1] / SAMPLES)))
    for k, frame in enumerate(frames):
        file.write(frame)
        samples.append(frame[k % step :: step, (k // step) % step :: step].reshape(-1, 3))
    seen = np.concatenate(samples)
    seen = seen[:: -(-len(seen) // 1_000_000)]
    palette = Image.fromarray(seen[None]).quantize(256, kmeans=1)
    rows, columns = np.indices(shape[:2]) % 4
    pattern = (_BAYER[rows, columns] * DITHER)[..., None]
    file.seek(0)
    while data := file.read(int(np.prod(shape))):
        frame = np.frombuffer(data, np.uint8).reshape(shape) + pattern
        frame = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
        yield Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
