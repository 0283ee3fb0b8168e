"""MP4 files: H.264 pictures and AAC sound that stay together, written whole or not at all, at constant memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import InputError, OutputError, ShapeError, cannot_write
from flame_tools.frame_rate import rational

SOUND_RATE = 48_000  # every player takes it, and the encoder's 1024 samples of priming are short
SOUND_BITS = 160_000
_BLOCK = 1024
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}


def write_video(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],  # uint8 sRGB [H, W, 3], all of one size; drawn from as they are written
    fps: Fraction | int | float,
    audio: np.ndarray | None = None,  # [N] or [C, N] float in [-1, 1]
    audio_rate: int = 0,  # samples a second
    *,
    times_s: np.ndarray | None = None,  # [T] rising, when each frame is shown; None: one every 1 / fps
    audio_start_s: float = 0.0,  # when audio's first sample sounds, counted from the first frame
    quality: int = 18,  # x264's constant rate factor: 0 lossless, 51 worst
    copyright: str = "",  # what the file says of its licences
) -> int:  # number of frames written
    """Write frames and sound. An odd width or height is padded by one pixel (the encoder halves colour).

    Frame i is shown from i / fps, or from times_s[i] - times_s[0] (to 1 / 90000 s); `fps` is then their
    mean rate. A sound of the decoded file is where it was in `audio` (the encoder's delay is
    taken out by the file's edit list). Sound longer than the pictures goes on under the last frame.
    """
    path = Path(path)
    clock = _EvenClock(frame_rate_of(fps)) if times_s is None else _GivenClock(frame_rate_of(fps), times_s)
    if path.suffix.lower() not in _FORMATS:
        raise OutputError(
            f"{path.name} is no video name that can be written; wanted it to end in {', '.join(_FORMATS)}"
        )
    sound = None if audio is None else _sound(audio, audio_rate, audio_start_s)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{path.name} would have no frame; wanted at least one")
    first = checked_frame(first, None, 0)
    import av

    try:
        with (
            written_whole(path) as temporary,
            av.open(
                str(temporary), "w", format=_FORMATS[path.suffix.lower()], options={"movflags": "+faststart"}
            ) as file,
        ):
            if copyright:
                file.metadata["copyright"] = copyright
            return _write(av, file, first, frames, clock, sound, audio_rate, quality)
    except av.FFmpegError as error:
        raise cannot_write(path, error) from error


def _write(av, file, first, frames, clock, sound, audio_rate, quality):
    height, width = first.shape[:2]
    picture = file.add_stream("libx264", rate=clock.rate, options={"crf": str(quality), "preset": "fast"})
    picture.width, picture.height, picture.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
    picture.time_base = picture.codec_context.time_base = clock.tick
    # say which matrix the colours went through, or players guess by the size
    context = picture.codec_context
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 1
    voice = None
    if sound is not None:
        voice = _Voice(av, file, sound, audio_rate)

    count, image = 0, first
    while image is not None:
        padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = clock.begins(count), clock.tick
        file.mux(picture.encode(frame))
        count += 1
        if voice is not None:
            voice.write_until(float(clock.ends(count - 1) * clock.tick))
        image = next(frames, None)
        if image is not None:
            image = checked_frame(image, first.shape, count)
    file.mux(picture.encode(None))
    if voice is not None:
        voice.finish()
    return count


class _EvenClock:
    """Frames that are shown one every 1 / rate."""

    def __init__(self, rate: Fraction):
        self.rate, self.tick = rate, 1 / rate

    def begins(self, number: int) -> int:
        """When a frame is shown, in ticks."""
        return number

    def ends(self, number: int) -> int:
        return number + 1


class _GivenClock:
    """Frames that are shown at times that are given."""

    tick = Fraction(1, 90_000)

    def __init__(self, rate: Fraction, times_s: np.ndarray):
        times = np.asarray(times_s, dtype=np.float64)
        if times.ndim != 1 or not np.isfinite(times).all() or not len(times):
            raise ShapeError(f"times_s is {list(times.shape)} or not finite, wanted [T] seconds")
        self.rate = rate
        ends = [*(times - times[0]), 2 * times[-1] - times[-2] - times[0] if len(times) > 1 else 1 / float(rate)]
        self._ticks = np.rint(np.array(ends) / float(self.tick)).astype(np.int64)
        if (np.diff(self._ticks) < 1).any():
            raise ShapeError("times_s does not rise by 1/90000 s or more from each frame to the next")

    def begins(self, number: int) -> int:
        """When a frame is shown, in ticks. Raises InputError beyond the times that are given."""
        if number >= len(self._ticks) - 1:
            raise InputError(f"there are more frames than the {len(self._ticks) - 1} of times_s")
        return int(self._ticks[number])

    def ends(self, number: int) -> int:
        return int(self._ticks[number + 1])


class _Voice:
    """The sound track of a file, encoded as the pictures advance."""

    def __init__(self, av, file, sound, rate):
        self.av, self.file, self.sound, self.rate = av, file, sound, rate
        layout = "mono" if len(sound) == 1 else "stereo"
        self.stream = file.add_stream("aac", rate=SOUND_RATE, layout=layout)
        self.stream.bit_rate = SOUND_BITS
        self.layout = layout
        self.resampler = av.AudioResampler(format="fltp", layout=layout, rate=SOUND_RATE, frame_size=_BLOCK)
        self.at = 0

    def write_until(self, seconds):
        end = min(int(seconds * self.rate), self.sound.shape[1])
        while self.at + _BLOCK <= end:
            self._feed(self.at + _BLOCK)

    def finish(self):
        while self.at < self.sound.shape[1]:
            self._feed(min(self.at + _BLOCK, self.sound.shape[1]))
        self._encode(self.resampler.resample(None))
        self.file.mux(self.stream.encode(None))

    def _feed(self, end):
        block = np.ascontiguousarray(self.sound[:, self.at : end], np.float32)
        frame = self.av.AudioFrame.from_ndarray(block, format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self.at, Fraction(1, self.rate)
        self._encode(self.resampler.resample(frame))
        self.at = end

    def _encode(self, frames):
        for frame in frames:
            if frame is not None:
                self.file.mux(self.stream.encode(frame))


def frame_rate_of(fps) -> Fraction:
    """Frames a second as a fraction; refused where it is no rate."""
    try:
        return rational(fps)
    except InputError as error:
        raise ShapeError(str(error)) from None


def checked_frame(image, shape, index) -> np.ndarray:
    """A picture of a film; refused where it is none, or not of the others' shape."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ShapeError(f"frame {index} is {image.dtype} {list(image.shape)}, wanted uint8 [H, W, 3]")
    if shape is not None and image.shape != shape:
        raise ShapeError(f"frame {index} is {list(image.shape)}, but frame 0 is {list(shape)}; wanted one size")
    return image


def _sound(audio, rate, start_s) -> np.ndarray | None:
    """[C, N] with C 1 or 2, padded or cut so that it starts with the first frame; None where nothing is left."""
    audio = np.asarray(audio)
    if audio.ndim == 1:
        audio = audio[None]
    if audio.ndim != 2 or audio.dtype.kind != "f":
        raise ShapeError(f"audio is {audio.dtype} {list(audio.shape)}, wanted floats [N] or [C, N] in [-1, 1]")
    if not (isinstance(rate, int | np.integer) and 1000 <= rate <= 768_000):
        raise ShapeError(f"audio_rate is {rate!r}, wanted a whole number of samples a second")
    if not np.isfinite(audio).all():
        raise InputError("audio holds NaN or infinite samples; wanted floats in [-1, 1]")
    if not math.isfinite(start_s):
        raise ShapeError(f"audio_start_s is {start_s}, wanted seconds")
    if len(audio) > 2:
        audio = audio.mean(0, keepdims=True)
    shift = round(start_s * rate)
    audio = np.pad(audio, ((0, 0), (shift, 0))) if shift > 0 else audio[:, -shift:]
    return np.clip(audio, -1, 1) if audio.shape[0] and audio.shape[1] else None
