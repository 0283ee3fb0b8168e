"""Log-mel: what the encoder sees of the sound, 100 frames a second, frame i centred at i * 10 ms.

The same as librosa.feature.melspectrogram(power=2, centred, zeros beyond the ends) in decibels / 20 above a floor, so
that the values lie around 0 to 4. Nothing is normalised over the recording: a stream cannot know its end.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from animate.speech import HOP, RATE

MELS = 80
WIDTH = 400  # samples under the window: 25 ms
FFT = 512
_RANGE_HZ = (40.0, 7800.0)
_FLOOR = 1e-7  # power below which nothing is heard: the noise of 16 bits


@functools.cache
def _mel() -> Tensor:
    import librosa

    low, high = _RANGE_HZ
    return torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=FFT, n_mels=MELS, fmin=low, fmax=high))


@functools.cache
def _window() -> Tensor:
    """Hann of WIDTH samples in the middle of FFT."""
    window = torch.hann_window(WIDTH, periodic=True, dtype=torch.float64)
    return torch.nn.functional.pad(window, ((FFT - WIDTH) // 2,) * 2).float()


def log_mel(samples: Tensor) -> Tensor:
    """Samples [..., N] at 16 kHz in [-1, 1] -> [..., N // HOP + 1, MELS]."""
    return log_mel_inside(torch.nn.functional.pad(samples, (FFT // 2, FFT // 2)))


def log_mel_inside(samples: Tensor) -> Tensor:
    """As `log_mel` where the first and last FFT // 2 samples are only context: [..., (N - FFT) // HOP + 1, MELS]."""
    frames = samples.unfold(-1, FFT, HOP) * _window().to(samples)
    power = torch.fft.rfft(frames).abs().square()
    mel = power @ _mel().to(samples).mT
    return torch.log10(mel.clamp(min=_FLOOR)) * 0.5 + 2.0


def log_mel_numpy(samples: np.ndarray) -> np.ndarray:
    """`log_mel` of a float32 array."""
    return log_mel(torch.from_numpy(np.ascontiguousarray(samples, np.float32))).numpy()
