"""What emberface-speech hears in a recording: phones with times, and features for the network that moves the face.

A recording of any length is heard in pieces with the whole look ahead, in memory that grows by a few kilobytes a
second; the result is that of hearing it at once. Phones are heard three times, in the voice as it is and as a larger
and a smaller speaker would have it, and the probabilities are averaged: mistakes that hang on the size of a mouth are
outvoted (voices kept out of training: 78.1 % of frames right instead of 77.3 %, of P, B and M 83.4 % instead of 82.2).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from animate.encoder.augment import resampled as played
from animate.encoder.corpus import NOISE, PHONES
from animate.encoder.decode import best_path, phones_of
from animate.encoder.model import FRAME_S, Listener, SpeechEncoder
from animate.encoder.weights import load_weights
from animate.encoders import frame_times, resampled
from animate.speech import RATE
from animate.textgrid import intervals
from animate.visemes import BILABIAL, SILENCE
from assets.locate import asset_path
from flame_tools.types import Intervals

ENCODER = "emberface-speech"  # the bundled one, among the assets
_PIECE = 30 * RATE
_SIZES = (0.9, 1.1)  # how fast the sound is played for other ears: with its pitch, a mouth's resonances go up and down
_CHANGES = 0.6  # how much the pairs of phones count beside what each frame sounds like
_LABIAL = 2.25  # added to the log-probability of each P, B and M: a closure that is missed shows more than one too many


@dataclass(frozen=True)
class Hearing:
    """A whole recording as the encoder hears it; row i is centred at i * 20 ms."""

    log_phones: np.ndarray  # [F, 41] float32, log-probability of each of encoder.corpus.PHONES
    features: np.ndarray  # [F, C] float16
    duration_s: float
    changes: np.ndarray  # [41, 41] log-probability of one phone after another, a frame

    def phones(self) -> Intervals:
        """The likeliest row of phones, ARPAbet without stress, SIL where nobody speaks, from 0 to the end."""
        labial = np.isin(PHONES, list(BILABIAL))
        changes = self.changes + _LABIAL / _CHANGES * np.outer(~labial, labial).astype(np.float32)
        path = best_path(self.log_phones, changes, weight=_CHANGES)
        found = phones_of(path, self.log_phones, self.duration_s)
        return intervals(
            (SILENCE if name == NOISE else name, start, end)
            for name, start, end in zip(found.names, found.start_s, found.end_s, strict=True)
        )

    def confidence(self) -> float:
        """Mean probability of the likeliest phone over the frames where somebody speaks; 0 where nobody does."""
        quiet = [PHONES.index(name) for name in (SILENCE, NOISE)]
        spoken = ~np.isin(self.log_phones.argmax(1), quiet)
        return float(np.exp(self.log_phones[spoken].max(1)).mean()) if spoken.any() else 0.0

    def frame_times(self, fps: int) -> np.ndarray:
        """Times [T] in seconds of a performance's frames."""
        return frame_times(round(self.duration_s * RATE), fps)

    def at_frames(self, fps: int) -> np.ndarray:
        """Features [T, C] float32 at the frames of a performance."""
        return resampled(self.features.astype(np.float32), 0.0, FRAME_S, self.frame_times(fps))


@functools.cache
def bundled() -> SpeechEncoder:
    return load_weights(asset_path(ENCODER))


def hear(
    samples: np.ndarray,  # [N] float32 at 16 kHz
    encoder: SpeechEncoder | None = None,  # the bundled one where None
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Hearing:
    """A recording of any length, its phones heard three times. `progress` is called with the share done."""
    encoder = encoder or bundled()
    duration_s = len(samples) / RATE
    ears = 1 + len(_SIZES)
    log_phones, features = _heard(samples, encoder, lambda share: progress(share / ears))
    mean, times = np.exp(log_phones), np.arange(len(log_phones)) * FRAME_S
    for number, rate in enumerate(_SIZES, 1):
        other = played(samples, rate, math.ceil(len(samples) / rate))
        found, _ = _heard(other, encoder, lambda share, done=number: progress((done + share) / ears))
        mean += resampled(np.exp(found), 0.0, FRAME_S, times / rate)
    log_phones = np.log(mean / ears).astype(np.float32)
    return Hearing(log_phones, features, duration_s, encoder.changes.numpy())


def _heard(
    samples: np.ndarray, encoder: SpeechEncoder, progress: Callable[[float], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities [F, 41] and features [F, C] float16 of a recording."""
    listener = Listener(encoder, encoder.offline)
    phones, features = [], []
    for at in range(0, len(samples), _PIECE):
        last = at + _PIECE >= len(samples)
        part = listener.push(torch.from_numpy(samples[at : at + _PIECE]), last=last)
        phones.append(part.phones.numpy())
        features.append(part.hidden.numpy().astype(np.float16))
        progress(min((at + _PIECE) / len(samples), 1.0))
    return np.concatenate(phones), np.concatenate(features)
