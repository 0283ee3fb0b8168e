"""What is heard before any word is: clean mono speech, its loudness, its pitch and its pauses.

Analysis runs at 16 kHz and 100 frames a second; frame i is centred at i * HOP_S. Everything is computed in blocks,
so memory beyond the samples themselves does not grow with the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import InputError

RATE = 16000  # Hz, analysis
HOP_S = 0.01
HOP = round(RATE * HOP_S)
QUIETEST = 1e-4  # RMS of the loudest 0.1 s below which a recording counts as silent (-80 dBFS)
SHORTEST_S = 0.1
_F0_RANGE_HZ = (65.0, 420.0)
_BLOCK = 3000  # frames analysed together


@dataclass(frozen=True)
class Speech:
    """A recording made ready."""

    samples: np.ndarray  # [N] float32 mono at `rate`, as recorded
    rate: int  # Hz
    analysis: np.ndarray  # [M] float32 mono at 16 kHz, DC removed, peak at 0.9

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Prosody:
    """How it is said, 100 frames a second."""

    loudness_db: np.ndarray  # [F] dB, 0 at the loud parts of the speech, floor -60
    f0_hz: np.ndarray  # [F] NaN where unvoiced
    voicing: np.ndarray  # [F] in [0, 1], how well the sound repeats after one period
    floor_db: float  # level of the pauses

    def __len__(self) -> int:
        return len(self.loudness_db)


def prepare(audio: np.ndarray, rate: int) -> Speech:
    """Check a recording [N] or [C, N] at `rate` Hz (float in [-1, 1], or integers of any depth) and make it ready.

    Raises InputError where it is empty, too short, silent, or holds NaN.
    """
    try:
        audio, rate = np.asarray(audio), int(rate)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"audio is a {type(audio).__name__} at rate {rate!r}, wanted an array [N] or [C, N] and its rate in Hz; "
            "read_audio gives both of a file"
        ) from None
    if audio.ndim not in (1, 2) or 0 in audio.shape[:-1] or rate < 4000 or rate > 768000:
        raise InputError(f"audio is {list(audio.shape)} at {rate} Hz, wanted [N] or [C, N] at 4 to 768 kHz")
    if audio.ndim == 2 and audio.shape[0] > audio.shape[1]:
        raise InputError(
            f"audio is {list(audio.shape)}, which reads as {audio.shape[0]} channels of {audio.shape[1]} samples; "
            "wanted [channels, samples]: give audio.T"
        )
    if audio.dtype.kind in "iu":
        audio = _from_integers(audio)
    elif audio.dtype.kind != "f":
        raise InputError(f"audio has type {audio.dtype}, wanted float in [-1, 1] or integers")
    samples = (audio.mean(0) if audio.ndim == 2 else audio).astype(np.float32)
    refuse_unusable(samples, rate)
    peak = float(np.abs(samples).max())
    if peak > 1.0:
        samples = samples / np.float32(peak)
    analysis = samples - samples.mean(dtype=np.float64).astype(np.float32)
    if rate != RATE:
        import librosa

        analysis = librosa.resample(analysis, orig_sr=rate, target_sr=RATE, res_type="soxr_hq").astype(np.float32)
    return Speech(samples, rate, analysis * np.float32(0.9 / np.abs(analysis).max()))


def refuse_unusable(samples: np.ndarray, rate: int, *, name: str = "audio") -> None:
    """Raise InputError, about `name`, where samples [N] at `rate` Hz hold NaN, are too short or silent."""
    bad = len(samples) - int(np.isfinite(samples).sum())
    if bad:
        raise InputError(f"{name} holds {bad} samples that are NaN or infinite; export the recording again")
    if len(samples) < SHORTEST_S * rate:
        raise InputError(
            f"{name} lasts {len(samples) / rate:.3f} s, wanted at least {SHORTEST_S} s of speech; record it again"
        )
    loudest = _loudest_rms(samples - samples.mean(dtype=np.float64).astype(np.float32), rate)
    if loudest < QUIETEST:
        level = 20 * np.log10(max(loudest, 1e-9))
        raise InputError(f"{name} is silent (its loudest 0.1 s is {level:.0f} dBFS); check the recording and its level")


def _from_integers(audio: np.ndarray) -> np.ndarray:
    info = np.iinfo(audio.dtype)
    middle = 0 if audio.dtype.kind == "i" else (info.max + 1) // 2
    return (audio.astype(np.float64) - middle) / (info.max - middle + (1 if audio.dtype.kind == "i" else 0))


def _loudest_rms(samples: np.ndarray, rate: int) -> float:
    width = max(int(0.1 * rate), 1)
    whole = samples[: len(samples) // width * width].reshape(-1, width)
    return float(np.sqrt((whole**2).mean(1, dtype=np.float64)).max())


def measure(speech: Speech) -> Prosody:
    """Loudness, pitch and voicing of a recording, 100 frames a second."""
    rms, f0, voicing = (np.concatenate(part) for part in zip(*_analyse(speech.analysis), strict=True))
    db = 20 * np.log10(np.maximum(rms, 1e-7))
    db = np.clip(db - _loud_db(db, voicing), -60.0, 12.0)
    floor = float(np.percentile(db, 5))
    audible = db > np.clip(floor + 6.0, -42.0, -20.0)
    f0 = np.where(audible & (voicing > 0.5), f0, np.nan)
    return Prosody(db.astype(np.float32), _without_octave_jumps(f0), voicing, floor)


def _loud_db(db: np.ndarray, voicing: np.ndarray) -> float:
    """Level of the loud parts of the speech: the 95th percentile, in which silence counts three times as much as voice.

    Voices sound in a third of a reading or more: there all frames count. Of a long silence with a few words in it the
    percentile over all of them would be the silence's own.
    """
    if len(db) <= 20:
        return float(db.max())
    voiced = int(((voicing > 0.5) & (db > db.max() - 40.0)).sum())
    return float(np.percentile(np.sort(db)[-4 * voiced :], 95))  # all of them where no voice sounds


def _analyse(samples: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """RMS over 25 ms, pitch by YIN over 40 ms and voicing, block by block.

    librosa.yin against librosa.pyin as the reference: 4.0 % gross errors at 212x real time; an autocorrelation of our
    own made 6.3 % at 220x, pyin itself runs at 4x (five voices, 40 s).
    """
    import librosa

    width, short = 640, 400
    count = len(samples) // HOP + 1
    padded = np.concatenate([np.zeros(width // 2, np.float32), samples, np.zeros(2 * width, np.float32)])
    low, high = _F0_RANGE_HZ
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        part = padded[start * HOP : (stop - 1) * HOP + width]
        centre = part[(width - short) // 2 : len(part) - (width - short) // 2]
        rms = librosa.feature.rms(y=centre, frame_length=short, hop_length=HOP, center=False)[0]
        f0 = librosa.yin(part, fmin=low, fmax=high, sr=RATE, frame_length=width, hop_length=HOP, center=False)
        yield rms, f0, _voicing(padded[start * HOP :], f0)


def _voicing(samples: np.ndarray, f0: np.ndarray) -> np.ndarray:
    """How well each frame [F] repeats after one period: its correlation with itself, in [0, 1]."""
    width = 320
    lag = np.clip(np.round(RATE / f0).astype(int), 1, width)
    first = np.arange(len(f0))[:, None] * HOP + np.arange(width)[None] + 160
    a, b = samples[first], samples[np.minimum(first + lag[:, None], len(samples) - 1)]
    energy = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.clip((a * b).sum(1) / np.maximum(energy, 1e-9), 0.0, 1.0).astype(np.float32)


def _without_octave_jumps(f0: np.ndarray) -> np.ndarray:
    voiced = np.isfinite(f0)
    if voiced.sum() < 5:
        return f0.astype(np.float32)
    middle = np.median(f0[voiced])
    folded = np.where(f0 > 1.75 * middle, f0 / 2, np.where(f0 < 0.57 * middle, f0 * 2, f0))
    # A median of five voiced neighbours takes out single wild frames.
    from scipy.ndimage import median_filter

    out = np.full(len(f0), np.nan, np.float32)
    out[voiced] = median_filter(folded[voiced], 5, mode="nearest")
    return out


def at_times(curve: np.ndarray, times: np.ndarray) -> np.ndarray:
    """A curve of 100 values a second, read at `times` [T] seconds. float32."""
    return np.interp(times, np.arange(len(curve)) * HOP_S, curve).astype(np.float32)


def pauses(prosody: Prosody, *, shortest_s: float = 0.15) -> list[tuple[float, float]]:
    """Stretches (start_s, end_s) in which nobody speaks, by energy alone."""
    limit = min(max(prosody.floor_db + 8.0, -45.0), -25.0)
    quiet = np.concatenate([[False], prosody.loudness_db < limit, [False]])
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    return [
        (start * HOP_S, end * HOP_S)
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        if (end - start) * HOP_S >= shortest_s
    ]


def pieces(prosody: Prosody, duration_s: float, *, longest_s: float = 15.0) -> list[tuple[float, float]]:
    """Cut a recording into stretches (start_s, end_s) no longer than `longest_s`, in its pauses where it has any."""
    cuts, at = [0.0], 0.0
    stops = [(a, b) for a, b in pauses(prosody) if a > 0]
    while duration_s - at > longest_s:
        inside = [(b - a, (a + b) / 2) for a, b in stops if at + 0.3 * longest_s < (a + b) / 2 <= at + longest_s]
        if inside:
            # A long pause is the better place, a later one saves a piece.
            cut = max(inside, key=lambda item: min(item[0], 0.6) + 0.3 * (item[1] - at) / longest_s)[1]
        else:
            low, high = int((at + 0.6 * longest_s) / HOP_S), int((at + longest_s) / HOP_S)
            cut = (low + int(np.argmin(prosody.loudness_db[low:high]))) * HOP_S
        cuts.append(cut)
        at = cut
    return list(zip(cuts, [*cuts[1:], duration_s], strict=True))
