"""Phones to smooth articulation: every channel takes the path of least jerk that its phones' insistence allows.

For each channel the path x minimises  sum_t w(t) (x(t) - target(t))^2 + (tau / dt)^6 |third difference of x|^2:
targets that a phone insists on are reached, others are passed by on the way, and fast speech undershoots. Least
jerk is how people move (Flash & Hogan 1985); one banded solve a channel makes it, at any length.
"""

from __future__ import annotations

import numpy as np

from animate.speech import HOP_S, Prosody
from animate.visemes import CHANNELS, INERTIA_S, SILENCE, VISEMES, VOWELS, plain
from flame_tools.types import Intervals

STEP_S = 0.01  # the grid on which paths are solved; frames are read off it by cubic interpolation
_BLOCK, _OVERLAP = 60000, 400  # steps solved together, and what neighbouring solves share
_FLOOR = 0.01  # pull to rest everywhere, so that a channel nobody names stays determined
LONG_SILENCE_S = 0.25
_RELEASE_S = 0.11  # lips meet within this at a silence
# What does not hold the lips apart relaxes slowly: muscles let go of a rounding in about a quarter of a second.
_EASED, _EASED_RELEASE_S = ("pucker", "spread"), 0.30
EARLY_S = 0.055  # mouth before voice; aligners too disagree by about this much on where a soft vowel starts


def grid(duration_s: float) -> np.ndarray:
    """Times [G] of the solving grid, past the recording's end."""
    return np.arange(int(np.ceil(duration_s / STEP_S)) + 3) * STEP_S


def early_vowels(phones: Intervals, early_s: float = EARLY_S) -> Intervals:
    """The same phones, with vowels after a pause begun early: lips open before the voice sets in."""
    start, end = phones.start_s.copy(), phones.end_s.copy()
    for i in range(1, len(phones)):
        room = end[i - 1] - start[i - 1] - 0.06
        if plain(phones.names[i - 1]) == SILENCE and plain(phones.names[i]) in VOWELS and room > 0:
            start[i] = end[i - 1] = start[i] - min(early_s, room)
    return Intervals(phones.names, start, end)


def articulate(phones: Intervals, prosody: Prosody, duration_s: float) -> np.ndarray:
    """Paths [G, len(CHANNELS)] on `grid(duration_s)` for phones in time order."""
    times = grid(duration_s)
    target, weight = _targets(phones, prosody, times)
    paths = np.stack(
        [least_jerk(target[:, c], weight[:, c], INERTIA_S[channel] / STEP_S) for c, channel in enumerate(CHANNELS)], 1
    )
    prompt, eased = rest_envelope(phones, times), rest_envelope(phones, times, release_s=_EASED_RELEASE_S)
    for c, channel in enumerate(CHANNELS):
        if not channel.startswith("tongue"):
            paths[:, c] *= eased if channel in _EASED else prompt
    return np.maximum(paths, 0.0)


# How much a silence pulls on each channel: those that ease out are led by their envelope.
_QUIETING = np.array([0.1 if channel in _EASED else 1.0 for channel in CHANNELS])


def _targets(phones: Intervals, prosody: Prosody, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(times), len(CHANNELS))
    total, weight = np.zeros(shape), np.zeros(shape)
    gains = _openings(phones, prosody)
    for name, start, end, gain in zip(phones.names, phones.start_s, phones.end_s, gains, strict=True):
        name = plain(name)
        if name == SILENCE:
            inside = _bump(times, start, end, 0.0)
            strength = min((end - start) / LONG_SILENCE_S, 1.0) * 0.8
            weight[inside[0]] += strength * inside[1][:, None] * _QUIETING
            continue
        for posture in VISEMES.get(name, VISEMES["SPN"]):
            low, high = start + posture.start * (end - start), start + posture.end * (end - start)
            rows, profile = _bump(times, low, high, 0.25)
            for channel, (value, insistence) in posture.values.items():
                c = CHANNELS.index(channel)
                scaled = value * gain if channel in ("jaw", "lower") else value
                total[rows, c] += insistence * profile * scaled
                weight[rows, c] += insistence * profile
    return total / np.maximum(weight, 1e-9), weight


def _bump(times: np.ndarray, start: float, end: float, edge: float) -> tuple[slice, np.ndarray]:
    """Rows of the grid in [start, end] and a profile that is 1 in the middle and `edge` at its ends."""
    first = int(np.searchsorted(times, start - 1e-9))
    last = max(int(np.searchsorted(times, end - 1e-9)), first + 1)
    last = min(last, len(times))
    first = min(first, last - 1)
    share = (times[first:last] - start) / max(end - start, STEP_S)
    return slice(first, last), edge + (1 - edge) * np.sin(np.pi * np.clip(share, 0.02, 0.98))


def _openings(phones: Intervals, prosody: Prosody) -> np.ndarray:
    """How far each phone opens: louder and longer vowels open wider. [n], 1 on average."""
    gains = np.ones(len(phones))
    for i, (name, start, end) in enumerate(zip(phones.names, phones.start_s, phones.end_s, strict=True)):
        if plain(name) not in VOWELS:
            continue
        part = prosody.loudness_db[int(start / HOP_S) : max(int(end / HOP_S), int(start / HOP_S) + 1)]
        loud = float(part.max()) if len(part) else -12.0
        # 20 dB between a murmured and a called vowel; the jaw's range over it is about one to two.
        gains[i] = np.clip(1.06 + 0.030 * loud, 0.62, 1.25) * np.clip(0.80 + 2.2 * (end - start), 0.9, 1.12)
    return gains


def rest_envelope(phones: Intervals, times: np.ndarray, *, release_s: float = _RELEASE_S) -> np.ndarray:
    """How far speech moves the mouth [G] in [0, 1]: 0 in silences, which the lips enter and leave shut."""
    envelope = np.ones(len(times))
    last = phones.end_s[-1] if len(phones) else 0.0
    for name, start, end in zip(phones.names, phones.start_s, phones.end_s, strict=True):
        if plain(name) != SILENCE:
            continue
        opens, ends = start <= 1e-6, end >= last - 1e-6  # of the recording: nothing to close from, or to open for
        if end - start >= LONG_SILENCE_S or ((opens or ends) and end - start >= 0.06):
            first = 0 if opens else np.searchsorted(times, start - 0.09)
            rows = slice(first, None if ends else np.searchsorted(times, end + 0.07, "right"))
            close = 0.0 if opens else 1 - _step((times[rows] - (start - 0.09)) / release_s)
            open_ = 0.0 if ends else _step((times[rows] - (end - 0.03)) / 0.10)
            envelope[rows] = np.minimum(envelope[rows], np.maximum(close, open_))
    return envelope


def _step(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x * x * x * (10 - 15 * x + 6 * x * x)  # the least-jerk step (Flash & Hogan 1985)


def least_jerk(target: np.ndarray, weight: np.ndarray, inertia: float) -> np.ndarray:
    """The path of least jerk [G] through `target` as `weight` insists; `inertia` in steps."""
    count = len(target)
    if count <= _BLOCK + 2 * _OVERLAP:
        return _solve(target, weight, inertia)
    path = np.empty(count)
    for start in range(0, count, _BLOCK):
        low, high = max(start - _OVERLAP, 0), min(start + _BLOCK + _OVERLAP, count)
        stop = min(start + _BLOCK, count)
        path[start:stop] = _solve(target[low:high], weight[low:high], inertia)[start - low : stop - low]
    return path


def _solve(target: np.ndarray, weight: np.ndarray, inertia: float) -> np.ndarray:
    from scipy.linalg import solveh_banded

    count = len(target)
    weight = weight + _FLOOR
    bands = np.zeros((4, count))  # upper form: bands[3] is the diagonal
    bands[3] = weight
    stencil = np.array([-1.0, 3.0, -3.0, 1.0])
    stiffness = inertia**6
    for i in range(4):
        for j in range(i, 4):
            # D^T D of the third difference, row by row: entry (k + i, k + j) for every k.
            bands[3 - (j - i), j : count - 3 + j] += stiffness * stencil[i] * stencil[j]
    return solveh_banded(bands, (weight - _FLOOR) * target, check_finite=False)


def sample(paths: np.ndarray, times: np.ndarray, *, step_s: float = STEP_S) -> np.ndarray:
    """Paths [G, C], one row every `step_s`, read at `times` [T] by cubic interpolation."""
    at = np.clip(times / step_s, 0, max(len(paths) - 1.001, 0))
    i = at.astype(int)
    u = (at - i)[:, None]
    a, b, c, d = (paths[np.clip(i + k, 0, len(paths) - 1)] for k in (-1, 0, 1, 2))
    # Catmull-Rom: passes through the grid's values with a continuous slope.
    return b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))
