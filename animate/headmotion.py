"""The head goes with the voice: nods on accents, a slow drift over phrases, stillness in silence.

Pitch of the voice and pitch of the head are correlated in speakers (Yehia, Kuratate & Vatikiotis-Bateson 2002);
sizes here are those of a calm talker: two degrees, seldom four.
"""

from __future__ import annotations

import numpy as np

from animate.chance import generator
from animate.coarticulation import least_jerk
from animate.emphasis import Accents, bumps
from animate.speech import HOP_S, Prosody

_STEP_S = 0.02
_DRIFT_DEG = np.array([1.2, 2.4, 1.2])  # SD of down, left, tilt
_NOD_DEG, _RISE_DEG = 3.4, 1.2


def neck(times: np.ndarray, prosody: Prosody, accents: Accents, *, seed: int | tuple[int, ...] = 0) -> np.ndarray:
    """Neck rotation [T, 3], axis-angle in radians: +x nods, +y turns to the subject's left, +z tilts."""
    random = generator(seed, "head")
    duration = max(float(times[-1]) if len(times) else 0.0, HOP_S * len(prosody)) + 1.0
    grid = np.arange(round(duration / _STEP_S) + 1) * _STEP_S
    drift = np.stack([_drift(grid, sd, random) for sd in _DRIFT_DEG], 1)
    lively = _liveliness(grid, prosody)
    nods = bumps(
        grid, accents.time_s + 0.06, _NOD_DEG * accents.strength * random.uniform(0.5, 1.0, len(accents)), 0.22, 0.42
    )
    sway = bumps(grid, accents.time_s + 0.08, random.normal(0.0, 0.8, len(accents)) * accents.strength, 0.3, 0.5)
    angles = drift * lively[:, None]
    angles[:, 0] += nods - _RISE_DEG * _pitch_contour(grid, prosody)
    angles[:, 1] += sway
    heavy = [least_jerk(angle, np.ones(len(grid)), 0.07 / _STEP_S) for angle in angles.T]
    return np.radians(np.stack([np.interp(times, grid, angle) for angle in heavy], 1))


def _drift(grid: np.ndarray, sd: float, random: np.random.Generator) -> np.ndarray:
    """A smooth wander: postures held for one to three seconds, least jerk between them."""
    target, at = np.zeros(len(grid)), 0.0
    while at < grid[-1]:
        stay = random.uniform(1.2, 3.2)
        target[int(at / _STEP_S) : int((at + stay) / _STEP_S) + 1] = random.normal(0.0, sd)
        at += stay
    return least_jerk(target, np.ones(len(grid)), 0.24 / _STEP_S)


def _liveliness(grid: np.ndarray, prosody: Prosody) -> np.ndarray:
    """How much the head moves [G]: in full while speaking, a third in long silences."""
    from scipy.ndimage import gaussian_filter1d

    speaking = (prosody.loudness_db > -24).astype(float)
    smooth = gaussian_filter1d(speaking, 0.5 / HOP_S)
    return 0.35 + 0.65 * np.clip(1.6 * np.interp(grid, np.arange(len(smooth)) * HOP_S, smooth), 0, 1)


def _pitch_contour(grid: np.ndarray, prosody: Prosody) -> np.ndarray:
    """The voice's pitch [G] as its distance from the speaker's middle, about [-1, 1]; 0 where nothing is voiced."""
    from scipy.ndimage import gaussian_filter1d

    voiced = np.isfinite(prosody.f0_hz)
    if voiced.sum() < 10:
        return np.zeros(len(grid))
    semitones = 12 * np.log2(np.where(voiced, prosody.f0_hz, 1.0))
    semitones = np.where(voiced, np.clip(semitones - np.median(semitones[voiced]), -6, 6) / 4, 0.0)
    weight = gaussian_filter1d(voiced.astype(float), 0.15 / HOP_S)
    smooth = gaussian_filter1d(semitones, 0.15 / HOP_S) / np.maximum(weight, 0.3)
    return np.interp(grid, np.arange(len(smooth)) * HOP_S, smooth)
