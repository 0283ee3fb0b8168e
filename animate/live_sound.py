"""Sound as it is spoken: from a file at the speed of its own time, or from a microphone. Pieces of mono float32."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from threading import Event

import numpy as np

from animate.speech import RATE
from flame_tools.errors import InputError

PIECE_S = 0.08  # of sound that is handed on together
MOST_S = 1.0  # as much at most, where hearing has fallen behind
_LOUDEST = 0.9  # what the encoder hears speech at, as animate.speech.prepare makes it
_QUIETEST_PEAK = 0.05  # nothing softer is taken for speech at its loudest
_FALL_S = 20.0  # in which a loudest moment is half forgotten
_MOST_WAITING = 250  # pieces of a microphone that wait: 20 s


def spoken(
    samples: np.ndarray,  # [N] float32 mono
    rate: int,  # Hz
    *,
    loop: bool = False,
    piece_s: float = PIECE_S,
    stop: Event | None = None,
) -> Iterator[np.ndarray]:
    """A recording in pieces, each when it has been said; with `loop` again and again. `stop` ends it.

    A piece is longer where the last one took its time: what has been said meanwhile is heard at once, which is quicker.
    """
    stop, least, most = stop or Event(), max(round(piece_s * rate), 1), max(round(MOST_S * rate), 1)
    begun, said, at = time.monotonic(), 0, 0
    while len(samples) > at:
        size = min(least, len(samples) - at)
        while (left := begun + (said + size) / rate - time.monotonic()) > 0 and not stop.is_set():
            stop.wait(left)
        if stop.is_set():
            return
        heard = int((time.monotonic() - begun) * rate) - said
        piece = samples[at : at + min(max(heard, size), most)]
        said, at = said + len(piece), at + len(piece)
        yield piece
        if loop and at == len(samples):
            at = 0


def microphone(
    *, rate: int = RATE, piece_s: float = PIECE_S, device: int | str | None = None, stop: Event | None = None
) -> Iterator[np.ndarray]:
    """What a microphone hears, until `stop` is set. `device` is sounddevice's number or name; None: the system's own.

    Raises InputError where sounddevice, PortAudio or the microphone is missing. What cannot be taken in time is lost:
    the oldest 20 s wait at most.
    """
    stop = stop or Event()
    sound = _sounddevice()
    waiting: queue.Queue[np.ndarray] = queue.Queue(_MOST_WAITING)

    def heard(samples: np.ndarray, *_: object) -> None:
        if not waiting.full():
            waiting.put_nowait(samples[:, 0].copy())

    try:
        stream = sound.InputStream(
            samplerate=rate, blocksize=round(piece_s * rate), channels=1, dtype="float32", device=device, callback=heard
        )
    except (sound.PortAudioError, ValueError) as error:
        raise InputError(
            f"no microphone can be heard at {rate} Hz: {error}; plug one in, choose another, or give a recording"
        ) from error
    with stream:
        while not stop.is_set():
            try:
                pieces = [waiting.get(timeout=0.2)]
            except queue.Empty:
                continue
            while not waiting.empty() and len(pieces) * piece_s < MOST_S:
                pieces.append(waiting.get_nowait())
            yield np.concatenate(pieces)


def _sounddevice():
    """The library that reaches microphones, loaded when one is asked for."""
    try:
        import sounddevice
    except ImportError:
        raise InputError("a microphone needs sounddevice: pip install 'emberface[live]'; or give a recording") from None
    except OSError as error:
        raise InputError(
            f"a microphone needs PortAudio ({error}): install libportaudio2 with the system's packages, or give a "
            "recording"
        ) from None
    return sounddevice


class Levelled:
    """Sound at any rate and level to what the encoder hears: 16 kHz, its loudest moments at 0.9. As it comes.

    The level follows the loudest moment so far, half forgotten in 20 s; a recording heard whole is set by its own.
    """

    def __init__(self, rate: int):
        import soxr

        self._resampler = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32")
        self._peak, self._gain = 0.0, None

    def push(self, piece: np.ndarray, *, last: bool = False) -> np.ndarray:
        """A piece [n] float in [-1, 1] at the rate -> [m] float32 at 16 kHz."""
        piece = np.nan_to_num(np.asarray(piece, np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        if self._resampler is not None:
            piece = self._resampler.resample_chunk(piece, last=last)
        if not len(piece):
            return np.zeros(0, np.float32)
        fallen = self._peak * 0.5 ** (len(piece) / (_FALL_S * RATE))
        self._peak = max(fallen, float(np.abs(piece).max()))
        gain = _LOUDEST / max(self._peak, _QUIETEST_PEAK)
        # Up by a ramp, or its step would be heard as a click; down at once, or the sound would clip.
        ramp = np.linspace(gain if self._gain is None else min(self._gain, gain), gain, len(piece), dtype=np.float32)
        self._gain = gain
        return np.clip(piece * ramp, -1.0, 1.0)
