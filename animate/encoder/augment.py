"""Ways in which the same speech may sound: rooms, telephones, noises, music behind it. Samples are float32 at 16 kHz.

Every function takes the random generator as an argument and keeps time: sample i of the result is sample i of what
came in (a room's direct sound comes first), so that phone times stay true.
"""

from __future__ import annotations

import numpy as np

from animate.speech import RATE

_STRETCH_FFT, _STRETCH_HOP = 512, 128


def resampled(samples: np.ndarray, rate: float, count: int) -> np.ndarray:
    """Played `rate` times as fast: sample i is samples[i * rate], low-passed where it must be. [count]."""
    import soxr

    out = soxr.resample(samples, RATE * rate, RATE, quality="MQ") if abs(rate - 1) > 1e-6 else samples
    return fitted(out, count)


def fitted(samples: np.ndarray, count: int) -> np.ndarray:
    """Cut or filled with zeros to [count]."""
    return np.pad(samples[:count], (0, max(count - len(samples), 0))).astype(np.float32)


def stretched(samples: np.ndarray, rate: float) -> np.ndarray:
    """`rate` times as fast at the same pitch, by a phase vocoder (Flanagan & Golden 1966). [about N / rate]."""
    window = np.hanning(_STRETCH_FFT + 1)[:-1].astype(np.float32)
    half = _STRETCH_FFT // 2
    padded = np.pad(samples, (half, half + 2 * _STRETCH_HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _STRETCH_FFT)[::_STRETCH_HOP]
    spectra = np.fft.rfft(frames * window).astype(np.complex64)
    at = np.arange(0, len(spectra) - 1, rate)
    low = at.astype(int)
    part = (at - low).astype(np.float32)[:, None]
    size = (1 - part) * np.abs(spectra[low]) + part * np.abs(spectra[low + 1])
    turn = np.angle(spectra[low + 1] * spectra[low].conj())
    # What a bin turns by in one hop beyond its own frequency keeps its unwrapped value.
    own = 2 * np.pi * _STRETCH_HOP * np.arange(half + 1) / _STRETCH_FFT
    turn = own + np.mod(turn - own + np.pi, 2 * np.pi) - np.pi
    phase = np.angle(spectra[0]) + np.concatenate([np.zeros((1, half + 1)), np.cumsum(turn[:-1], 0)])
    waves = np.fft.irfft(size * np.exp(1j * phase)).astype(np.float32) * window
    out = np.zeros((len(waves) - 1) * _STRETCH_HOP + _STRETCH_FFT, np.float32)
    for shift in range(_STRETCH_FFT // _STRETCH_HOP):  # frames that do not touch are laid down together
        rows = waves[shift :: _STRETCH_FFT // _STRETCH_HOP].reshape(-1)
        out[shift * _STRETCH_HOP : shift * _STRETCH_HOP + len(rows)] += rows
    return out[half:] / np.float32(1.5)  # squared Hann windows at a quarter's overlap add up to 1.5


def room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a room: the direct sound, a few early echoes and a tail of decaying noise."""
    decay_s, wet_db = rng.uniform(0.1, 0.7), rng.uniform(-18, 0)
    count = int(RATE * decay_s)
    times = np.arange(count) / RATE
    tail = rng.standard_normal(count) * 10 ** (-3 * times / decay_s) * (times > 0.003)
    tail[rng.integers(16, max(int(0.04 * RATE), 17), 6)] += rng.normal(0, 2, 6)
    tail *= 10 ** (wet_db / 20) / np.sqrt((tail**2).sum() + 1e-9)
    tail[0] = 1.0
    size = 1 << (len(samples) + count - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: len(samples)].astype(np.float32)


def codec(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a telephone, a cheap microphone or few bits."""
    low, high = rng.uniform(0, 300), rng.choice([3400.0, 4000.0, rng.uniform(3000, 7500)])
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum *= 1 / (1 + np.exp((hz - high) / 60)) / (1 + np.exp((low - hz) / 30))
    if rng.random() < 0.5:  # a microphone's slope
        spectrum *= (np.maximum(hz, 50) / 1000) ** rng.uniform(-0.5, 0.5)
    out = np.fft.irfft(spectrum, len(samples))
    peak = np.abs(out).max() + 1e-9
    if rng.random() < 0.5:  # mu-law, 8 bits or fewer (ITU-T G.711)
        steps = 2 ** rng.integers(6, 9) / 2
        bent = np.sign(out) * np.log1p(255 * np.abs(out) / peak) / np.log(256)
        bent = np.round(bent * steps) / steps
        out = np.sign(bent) * np.expm1(np.abs(bent) * np.log(256)) / 255 * peak
    return out.astype(np.float32)


def coloured_noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """White to brown, at times swelling."""
    spectrum = np.fft.rfft(rng.standard_normal(count).astype(np.float32))
    spectrum *= np.maximum(np.fft.rfftfreq(count, 1 / RATE), 30) ** -rng.uniform(0, 1)
    out = np.fft.irfft(spectrum, count)
    if rng.random() < 0.3:
        out *= 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(0.3, 4) * np.arange(count) / RATE + rng.uniform(0, 6))
    return out.astype(np.float32)


def music(count: int, rng: np.random.Generator) -> np.ndarray:
    """Chords of decaying or held harmonics on a beat, with a drum at times."""
    out = np.zeros(count, np.float32)
    beat = int(RATE * rng.uniform(0.25, 0.6))
    root = 55 * 2 ** rng.uniform(0, 2)
    harmonics = np.arange(1, 7)
    fade = harmonics ** -rng.uniform(0.7, 2.0)
    decay = rng.choice([0.0, rng.uniform(2, 8)])
    time = np.arange(beat) / RATE
    envelope = np.exp(-decay * time) * np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    drum = rng.random() < 0.5
    for at in range(0, count, beat):
        notes = root * 2 ** (rng.choice([0, 2, 3, 4, 5, 7, 9, 10, 12], rng.integers(1, 4)) / 12)
        hz = notes[:, None] * harmonics
        tones = fade @ np.sin(2 * np.pi * (hz[..., None] * time + rng.random((len(notes), 6, 1)))).sum(0)
        tones = tones * envelope
        if drum:
            tones += rng.standard_normal(beat) * np.exp(-40 * time) * 3
        out[at : at + beat] += tones[: count - at].astype(np.float32)
    return out


def mixed(samples: np.ndarray, other: np.ndarray, snr_db: float) -> np.ndarray:
    """`other` behind the speech, `snr_db` below the loud parts of both."""
    loud, behind = (_loudness(x) for x in (samples, other))
    return samples + other * np.float32(loud / max(behind, 1e-6) * 10 ** (-snr_db / 20))


def _loudness(samples: np.ndarray) -> float:
    """RMS of the louder half of the 50 ms stretches."""
    width = RATE // 20
    energy = (samples[: len(samples) // width * width].reshape(-1, width) ** 2).mean(1)
    return float(np.sqrt(np.sort(energy)[len(energy) // 2 :].mean())) if len(energy) else 0.0
