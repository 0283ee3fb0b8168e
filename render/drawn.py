"""A track drawn to a file: a film with its sound, a loop without, or a picture of the first frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from flame_tools.head import Head
from flame_tools.posing import at_frames
from flame_tools.types import Track
from render.film import at_even_times, film, frame_rate, still_picture

GIF_FPS = 25  # at most: its times are hundredths of a second, and more would stumble


def write_drawn(
    track: Track,
    head: Head,
    path: Path,  # NAME.mp4, .webp, .gif or .png
    *,
    size: tuple[int, int],  # of one panel
    progress: Callable[[Iterable, int], Iterable] = lambda frames, count: frames,
    credits: str = "",  # written into films and pictures
    **options,  # of render.film.film
) -> None:
    """Draw every frame of a track, of a GIF's fewer where they are many a second; into a picture the first one."""
    kind = path.suffix.lower()
    if kind == ".png":
        from render.image import write_png

        write_png(path, still_picture(track, head, size=size, **options), copyright=credits)
        return
    track = at_even_times(track)
    if kind == ".gif" and len(track) > 1:
        track = _thinned(track, int(-(-frame_rate(track) // GIF_FPS)))
    reel = film(track, head, size=size, **options)
    pictures = progress(reel, len(reel))
    if kind == ".mp4":
        from render.video import write_video

        write_video(
            path,
            pictures,
            reel.fps,
            audio=track.audio,
            audio_rate=track.audio_rate,
            audio_start_s=track.audio_start_s - float(track.time_s[0]),
            copyright=credits,
        )
    else:
        from render.animation import write_animation

        write_animation(path, pictures, reel.fps)


def _thinned(track: Track, every: int) -> Track:
    """Every so many frames of a track, at the rate that is left."""
    if every == 1:
        return track
    rate = frame_rate(track) / every
    return at_frames(track, np.arange(0, len(track), every)).replace(fps=rate.as_integer_ratio())
