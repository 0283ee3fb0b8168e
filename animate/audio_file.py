"""Sound files in: any rate, channel count and bit depth, to mono float32 at the file's own rate.

libsndfile reads WAV, FLAC, OGG, AIFF and more; PyAV reads what it cannot (M4A, MP4, WebM) and MP3, whose decoder in
libsndfile writes warnings past Python to the terminal. A file that holds less than its header promises is refused: a
half-copied voice would give half a performance without a word.
"""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path

import numpy as np

from animate.speech import refuse_unusable
from flame_tools.errors import FormatError, InputError

MAX_SECONDS = 6 * 3600.0  # six hours at 48 kHz are 4 GB of float32
_CANCELLED = 1e-4  # of the channels' power: less is left in their mean where one of them is inverted
_STREAMED = (0, 0x7FFFFFFF, 0xFFFFFFFF)  # sizes that a writer leaves when it cannot seek back


def read_audio(path: str | os.PathLike) -> tuple[np.ndarray, int]:
    """Read a sound file. Returns samples [N] float32 mono (channels averaged) and the rate in Hz.

    Raises FormatError where the file is truncated or no recording, InputError where it is short, silent or holds NaN.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"the recording is a {type(path).__name__}, wanted the path of a sound file")
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file; give a recording (WAV, FLAC, OGG, MP3, M4A)")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); record or export it again")
    _refuse_truncated(path)
    samples, rate = _read(path)
    refuse_unusable(samples, rate, name=str(path))
    return samples, rate


def _read(path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    if _kind(path) == "MP3":
        return _read_av(path, "")
    try:
        with soundfile.SoundFile(path) as sound:
            return _read_soundfile(sound, path), int(sound.samplerate)
    except soundfile.LibsndfileError as error:
        return _read_av(path, str(error).split(":")[-1].strip())


def _kind(path: Path) -> str | None:
    """What the file's first bytes say it is; None where they are of no format known here."""
    with open(path, "rb") as stream:
        head = stream.read(12)
    # An MPEG frame: eleven bits set, and a layer; without one it is AAC.
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06):
        return "MP3"
    if head[4:8] == b"ftyp":
        return "MP4"
    names = {b"fLaC": "FLAC", b"RIFF": "WAV", b"RIFX": "WAV", b"OggS": "OGG", b"FORM": "AIFF", b"\x1aE\xdf\xa3": "WebM"}
    return names.get(head[:4])


def _states_length(path: Path) -> bool:
    """Whether an MP3 says how long it is (Xing or Info tag): else its length is a guess from its size."""
    with open(path, "rb") as stream:
        head = stream.read(10)
        if head[:3] == b"ID3":
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]  # seven bits a byte
            stream.seek(10 + size)
        else:
            stream.seek(0)
        frame = stream.read(512)
    return b"Xing" in frame or b"Info" in frame


def _read_soundfile(sound, path: Path) -> np.ndarray:
    """Channels are averaged block by block: many channels of a long recording never lie in memory together."""
    _refuse_long(sound.frames / max(sound.samplerate, 1), path)
    mix = _Mix()
    while len(block := sound.read(1 << 20, dtype="float32", always_2d=True)):
        mix.add(block.T)
    samples = mix.samples(path)
    if 0 < len(samples) < sound.frames:
        raise FormatError(
            f"{path} is truncated: {len(samples) / sound.samplerate:.2f} s of {sound.frames / sound.samplerate:.2f} s "
            "can be read; copy or export it again"
        )
    return samples


class _Mix:
    """The mean of channels that come in blocks."""

    def __init__(self):
        self._blocks, self._apart, self._together = [np.zeros(0, np.float32)], 0.0, 0.0

    def add(self, block: np.ndarray) -> None:  # [C, n]
        mixed = block.mean(0) if len(block) > 1 else block[0]
        self._blocks.append(mixed)
        if len(block) > 1:
            self._apart += float(np.square(block, dtype=np.float64).sum()) / len(block)
            self._together += float(np.square(mixed, dtype=np.float64).sum())

    def samples(self, path: Path) -> np.ndarray:  # [N] float32
        """All of it. Raises InputError where the channels cancel each other out."""
        if self._together < _CANCELLED * self._apart:
            raise InputError(
                f"{path} has channels that cancel each other out: one of them is inverted; export one channel alone"
            )
        return np.concatenate(self._blocks).astype(np.float32, copy=False)


def _refuse_long(seconds: float, path: Path) -> None:
    if seconds > MAX_SECONDS:
        raise InputError(f"{path} is longer than {MAX_SECONDS / 3600:.0f} hours; cut it into parts")


def _refuse_truncated(path: Path) -> None:
    size = path.stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(12)
        if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
            order = "<" if head[:4] == b"RIFF" else ">"
            at = 12
            while len(chunk := (stream.seek(at), stream.read(8))[1]) == 8:
                name, length = chunk[:4], struct.unpack(order + "I", chunk[4:])[0]
                if name == b"data":
                    if length not in _STREAMED and at + 8 + length > size:
                        raise FormatError(
                            f"{path} is truncated: its header promises {length} bytes of sound and {size - at - 8} "
                            "follow; copy or export it again"
                        )
                    return
                at += 8 + length + (length & 1)
            raise FormatError(f"{path} is a WAV file without sound data; copy or export it again")
        if head[:4] == b"OggS":
            stream.seek(max(size - 65536, 0))
            tail = stream.read()
            page = tail.rfind(b"OggS")
            if page < 0 or len(tail) < page + 6 or not tail[page + 5] & 4:
                raise FormatError(f"{path} is truncated: the Ogg stream has no last page; copy or export it again")


def _read_av(path: Path, reason: str) -> tuple[np.ndarray, int]:
    import av

    kind = _kind(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"{path} holds no sound; give a recording (WAV, FLAC, OGG, MP3, M4A)")
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            promised = float(stream.duration * stream.time_base) if stream.duration else 0.0
            # Channels are averaged here: the resampler's own mono is 3 dB louder than that.
            planes = av.AudioResampler(format="fltp", rate=rate)
            mix, count = _Mix(), 0
            for frame in itertools.chain(container.decode(stream), [None]):
                for out in planes.resample(frame):
                    mix.add(out.to_ndarray())
                count += 0 if frame is None else frame.samples
                _refuse_long(count / rate, path)
    except av.FFmpegError as error:
        if kind:
            raise FormatError(
                f"{path} begins as {kind} but cannot be read to its end ({reason or error}): it seems truncated or "
                "damaged; copy or export it again"
            ) from error
        raise FormatError(
            f"{path} is not a recording that can be read ({reason or error}); give WAV, FLAC, OGG, MP3 or M4A"
        ) from error
    samples = mix.samples(path)
    if kind == "MP3" and not _states_length(path):
        promised = 0.0
    slack_s = 0.25 if kind == "MP3" else 0.5  # padding of the codecs
    if promised and len(samples) / rate < promised - slack_s:
        raise FormatError(
            f"{path} is truncated: {len(samples) / rate:.2f} s of {promised:.2f} s can be read; copy or export it again"
        )
    return samples, rate
