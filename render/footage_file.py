"""Films by FFmpeg's demuxers and decoders (PyAV): a first pass lists the frames' times, a second decodes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError, InputError
from render.footage_frame import MAX_FRAMES, MAX_PIXELS, Frame, Sound
from render.footage_picture import Pictures

# Containers that hold all they show. Play lists, which name other files and addresses, are not among them.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpegts,mpeg,flv,ogg,asf,mxf,ivf,dv,nut"
_RATES = [Fraction(n) for n in (24, 25, 30, 50, 60, 12, 15, 10, 120)]
_RATES += [Fraction(n * 1000, 1001) for n in (24, 30, 60)]
MAX_SOUND_S = 6 * 3600.0
_GAP_S = 0.05  # silence longer than this between two blocks of sound is put back
_KINDS = "MP4, MOV, MKV, WebM, AVI, GIF"


class FilmFile:
    """A video file, as `render.footage.Footage` describes it."""

    def __init__(self, path: Path):
        self.path = path
        if path.stat().st_size == 0:
            raise FormatError(f"{path} is empty (0 bytes); copy or export it again")
        with self._open() as (container, stream):
            context = stream.codec_context
            if context.width * context.height > MAX_PIXELS:
                raise InputError(
                    f"{path} has frames of {context.width} x {context.height} pixels, more than {MAX_PIXELS}; "
                    "scale it down first"
                )
            self._seekable = container.format.name not in ("gif", "apng", "mpeg", "mpegts")
            self._unit = stream.time_base
            self._ticks, self._keys = _listed(path, container, stream)
            promised = stream.frames
            tail = stream.duration
            hints = [stream.base_rate, stream.guessed_rate, stream.average_rate]
        self.count = len(self._ticks)
        if promised and self.count < 0.9 * promised:
            raise FormatError(
                f"{path} is cut short: {self.count} of {promised} frames are there; copy or export it again"
            )
        self.fps = constant_rate(self._ticks, self._unit, hints)
        if self.fps:
            self.times_s = np.arange(self.count) * self.fps.denominator / self.fps.numerator
            self.duration_s = float(self.count / self.fps)
        else:
            self.times_s = (self._ticks - self._ticks[0]) * float(self._unit)
            steps = np.diff(self.times_s)
            last = float(np.median(steps)) if len(steps) else 0.0
            self.duration_s = max(float(self.times_s[-1]) + last, float(tail * self._unit) if tail else 0.0)
        first = next(self.frames(), None)
        if first is None:
            raise FormatError(f"{path} lists {self.count} frames, none of which can be decoded; export it again")
        self.size = first.image.shape[1::-1]

    @contextlib.contextmanager
    def _open(self, kind: str = "video"):
        """The container and its first stream of a kind; what FFmpeg says against it becomes a FormatError."""
        import av

        try:
            options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
            with av.open(f"file:{self.path.absolute()}", container_options=options, metadata_errors="replace") as file:
                stream = next(iter(getattr(file.streams, kind)), None)
                if stream is None and kind == "video":
                    raise InputError(f"{self.path} holds no pictures; wanted a video file ({_KINDS})")
                if stream is not None and kind == "video":
                    stream.thread_type = "AUTO"
                    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # also of frames that grow later
                yield file, stream
        except av.FFmpegError as error:
            reason = (error.strerror or type(error).__name__).rstrip(".")
            raise FormatError(
                f"{self.path} is no film that can be read, or a damaged one ({reason}); wanted a whole {_KINDS} file"
            ) from None
        except (MemoryError, OverflowError):
            raise InputError(f"{self.path} does not fit in memory; scale it down first") from None

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Frames from number `start` on; raises FormatError where the file turns out to be damaged or cut short."""
        if start >= self.count:
            return
        with self._open() as (container, stream):
            from_the_start = not self._seek(container, stream, start)
            pictures = Pictures(stream)
            at = start - 1
            for frame in container.decode(stream):
                if frame.pts is None:
                    if not from_the_start:
                        continue
                    number = at + 1
                else:
                    number = int(np.searchsorted(self._ticks, frame.pts, side="right")) - 1
                if number <= at or number < start:
                    continue
                if number >= self.count:
                    break
                at = number
                yield Frame(number, float(self.times_s[number]), pictures(frame))
            if at + 1 < self.count - 2:  # a codec may swallow a frame or two at the end
                raise FormatError(
                    f"{self.path} breaks off: frames end at {at + 1} of {self.count}; copy or export it again"
                )

    def _seek(self, container, stream, start: int) -> bool:
        """Go to a key frame well before `start`, so that all that `start` needs is decoded anew."""
        before = np.flatnonzero(self._keys <= start)
        if not self._seekable or len(before) < 2:
            return False
        container.seek(int(self._ticks[self._keys[before[-2]]]), stream=stream, backward=True)
        return True

    def sound(self) -> Sound | None:
        """The first stream of sound, channels averaged, where the file says that it sounds."""
        import av

        with self._open("audio") as (container, stream):
            if stream is None or not stream.rate:
                return None
            rate = int(stream.rate)
            first_s = float(self._ticks[0] * self._unit)
            planes = av.AudioResampler(format="fltp", rate=rate)  # its own mono would be 3 dB louder than the mean
            blocks, start_s, at = [], None, 0
            for frame in container.decode(stream):
                if start_s is None:
                    start_s = (frame.time or 0.0) - first_s if frame.pts is not None else 0.0
                elif frame.pts is not None:
                    due = round((frame.time - first_s - start_s) * rate)
                    if due > MAX_SOUND_S * rate:
                        raise InputError(f"{self.path} has more than {MAX_SOUND_S / 3600:.0f} hours of sound; cut it")
                    if due - at > _GAP_S * rate:
                        blocks.append(np.zeros(due - at, np.float32))
                        at = due
                for out in planes.resample(frame):
                    block = out.to_ndarray()
                    blocks.append(block.mean(0, dtype=np.float32))
                    at += block.shape[1]
                if at > MAX_SOUND_S * rate:
                    raise InputError(f"{self.path} has more than {MAX_SOUND_S / 3600:.0f} hours of sound; cut it")
        if not at:
            return None
        samples = np.nan_to_num(np.concatenate(blocks), nan=0.0, posinf=0.0, neginf=0.0)
        return Sound(samples, rate, start_s)


def _listed(path: Path, container, stream) -> tuple[np.ndarray, np.ndarray]:
    """Presentation ticks [n] int64 in order, and the numbers of the key frames, without decoding anything."""
    ticks, keys = [], []
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        tick = packet.pts if packet.pts is not None else packet.dts
        if tick is None:
            continue
        ticks.append(tick)
        if packet.is_keyframe:
            keys.append(tick)
        if len(ticks) > MAX_FRAMES:
            raise InputError(f"{path} has more than {MAX_FRAMES} frames; cut it into parts")
    if not ticks:
        raise FormatError(f"{path} holds no frame; copy or export it again")
    shown = np.unique(np.array(ticks, np.int64))
    return shown, np.searchsorted(shown, np.unique(np.array(keys, np.int64)))


def constant_rate(ticks: np.ndarray, unit: Fraction, hints=()) -> Fraction | None:
    """The rate at which `ticks` [n] of `unit` seconds are evenly spaced but for rounding to whole ticks; or None."""
    if len(ticks) < 2:
        return next((Fraction(h) for h in hints if h), Fraction(25))
    span = ticks - ticks[0]
    measured = Fraction(len(ticks) - 1) / (Fraction(int(span[-1])) * unit)
    candidates = [Fraction(h) for h in hints if h] + _RATES + [measured.limit_denominator(1001)]
    for rate in candidates:
        if not 0 < rate <= 1000:
            continue
        off = span - np.arange(len(span)) * float(1 / (rate * unit))
        if off.max() - off.min() <= 1.001:  # one tick between the earliest and the latest
            return rate
    return None
