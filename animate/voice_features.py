"""How a voice sounds over a few seconds: the measures of prosody that studies of emotion in the voice agree on.

A selection of the Geneva set (eGeMAPS, Eyben et al. 2016), each as a curve of ten values a second: means and deviations
under a Gaussian of 1.25 s standard deviation, so that there are no windows and no borders between them.

| feature | what it is | unit |
| --- | --- | --- |
| pitch | mean of the fundamental frequency over voiced frames | semitones |
| pitch_spread | its standard deviation | semitones |
| pitch_slope | its mean rise within voiced stretches | semitones a second |
| loudness | mean level of what is spoken, 0 at the recording's loud parts | dB |
| loudness_spread | its standard deviation | dB |
| tilt | energy of 1-5 kHz over 50 Hz-1 kHz in voiced frames (the alpha ratio): vocal effort | dB |
| rate | syllable nuclei a second of speech, as peaks of loudness (after de Jong & Wempe 2009) | 1/s |
| pauses | share of time in pauses between the first and the last sound | 1 |
| harmonicity | harmonics to noise in voiced frames, from how well a period repeats | dB |

Jitter and shimmer are left out: they need the moment of every glottal pulse, which pitch by frames does not give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from animate.speech import HOP, HOP_S, RATE, Prosody, Speech, pauses

FEATURES = (
    "pitch", "pitch_spread", "pitch_slope", "loudness", "loudness_spread", "tilt", "rate", "pauses", "harmonicity",
)  # fmt: skip
STEP_S = 0.1  # of the curves
WINDOW_SD_S = 1.25  # of the Gaussian
_FRAMES = round(STEP_S / HOP_S)  # frames of prosody in a step
_LEAN = 0.2  # share of a window that the whole recording fills: pauses, ends and stray frames lean on it
_NUCLEUS_DB = 2.0  # a syllable's peak stands out by this much
_NUCLEUS_APART_S = 0.1
_WIDTH, _BLOCK = 400, 3000  # samples of a spectrum, spectra at a time
_LOW_HZ, _HIGH_HZ = (50.0, 1000.0), (1000.0, 5000.0)


@dataclass(frozen=True)
class VoiceFeatures:
    """The features of one recording."""

    time_s: np.ndarray  # [n] seconds, STEP_S apart
    values: np.ndarray  # [n, 9] in the order of FEATURES
    voiced_s: np.ndarray  # [n] seconds of voice in each step: how much there is to go by

    def means(self) -> np.ndarray:
        """[9] over the recording, each moment weighted by its voice."""
        return self.voiced_s @ self.values / max(float(self.voiced_s.sum()), 1e-9)


def voice_features(speech: Speech, prosody: Prosody) -> VoiceFeatures:
    """Features of a recording: what `prepare` and `measure` gave."""
    count = len(prosody)
    voiced = np.isfinite(prosody.f0_hz)
    semitones = np.where(voiced, 12 * np.log2(np.where(voiced, prosody.f0_hz, 100.0) / 100.0), 0.0)
    slope = np.diff(semitones, append=0.0) / HOP_S
    joined = voiced & np.append(voiced[1:], False) & (np.abs(slope) < 100)  # a jump of octaves is no slope
    paused = _mask(pauses(prosody), count)
    spoken = ~paused
    repeats = np.clip(prosody.voicing.astype(np.float64), 0.01, 0.999)
    harmonicity = 10 * np.log10(repeats / (1 - repeats))
    tilt = np.concatenate(list(_tilts(speech.analysis, count)))
    loud = prosody.loudness_db.astype(np.float64)

    pitch, pitch_spread = _moments(semitones, voiced)
    loudness, loudness_spread = _moments(loud, spoken)
    inside = np.zeros(count, bool)
    if spoken.any():
        first, last = np.flatnonzero(spoken)[[0, -1]]
        inside[first : last + 1] = True
    curves = [
        pitch,
        pitch_spread,
        _moments(slope, joined)[0],
        loudness,
        loudness_spread,
        _moments(tilt, voiced)[0],
        _moments(_nuclei(loud, voiced) / HOP_S, spoken)[0],
        _moments(paused.astype(np.float64), inside)[0],
        _moments(harmonicity, voiced)[0],
    ]
    values = np.stack(curves, -1)
    centres = (np.arange(len(values)) * _FRAMES + (_FRAMES - 1) / 2) * HOP_S
    return VoiceFeatures(centres, values, _binned(voiced) * HOP_S)


def _moments(values: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation [n] of values [F] over the frames that count, under the Gaussian at every step."""
    from scipy.ndimage import gaussian_filter1d

    weight = counted.astype(np.float64)
    whole = weight.sum()
    mean = float((weight * values).sum() / whole) if whole else 0.0
    around = values - mean
    square = float((weight * around**2).sum() / whole) if whole else 0.0

    def window(x: np.ndarray) -> np.ndarray:
        return gaussian_filter1d(_binned(x) / _FRAMES, WINDOW_SD_S / STEP_S, mode="constant", truncate=4.0)

    mass = window(weight) + _LEAN
    first = window(weight * around) / mass
    second = (window(weight * around**2) + _LEAN * square) / mass
    return mean + first, np.sqrt(np.maximum(second - first**2, 0.0))


def _binned(values: np.ndarray) -> np.ndarray:
    """Sums [n] of values [F] over steps of _FRAMES; the last step may hold fewer."""
    padded = np.pad(values.astype(np.float64), (0, -len(values) % _FRAMES))
    return padded.reshape(-1, _FRAMES).sum(1)


def _mask(stretches: list[tuple[float, float]], count: int) -> np.ndarray:
    mask = np.zeros(count, bool)
    for start, end in stretches:
        mask[round(start / HOP_S) : round(end / HOP_S)] = True
    return mask


def _nuclei(loudness_db: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """1 at frames [F] where a syllable has its peak."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    smooth = gaussian_filter1d(loudness_db, 2.5)
    peaks, _ = find_peaks(smooth, prominence=_NUCLEUS_DB, distance=round(_NUCLEUS_APART_S / HOP_S))
    at = np.zeros(len(loudness_db))
    at[peaks[voiced[peaks]]] = 1.0
    return at


def _tilts(samples: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Energy of 1-5 kHz over that of 50 Hz-1 kHz in dB, of `count` frames centred HOP samples apart, in blocks."""
    padded = np.pad(samples, (_WIDTH // 2, _WIDTH + HOP))
    window = np.hanning(_WIDTH + 1)[:-1].astype(np.float32)
    hertz = np.fft.rfftfreq(512, 1 / RATE)
    low, high = (slice(*np.searchsorted(hertz, band)) for band in (_LOW_HZ, _HIGH_HZ))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WIDTH)[::HOP]
    for start in range(0, count, _BLOCK):
        power = np.abs(np.fft.rfft(frames[start : min(start + _BLOCK, count)] * window, 512)) ** 2
        yield 10 * np.log10((power[:, high].sum(1) + 1e-10) / (power[:, low].sum(1) + 1e-10))
