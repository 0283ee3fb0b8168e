"""Curves without jitter: each frame's fit is weighed against its neighbours, offline without lag, or causally.

Every unknown follows a model of constant velocity, driven by white acceleration noise (Bar-Shalom et al. 2001, sec.
6.2.2). Its density is set by the frequency up to which motion is believed: offline the estimate is the smoothing
spline whose response is 1 / (1 + (f / cutoff)^4), whatever the rate of the frames, so that films of 24 and of 60 frames
a second give the same motion. Frames of larger variance weigh less; those that are missing are bridged.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

COAST_S = 0.15  # in which motion falls to 1 / e where nothing is seen: people stop, lines and cubics do not


@dataclass(frozen=True)
class Smoothed:
    """Estimates of P unknowns at T frames."""

    mean: np.ndarray  # [T, P]
    variance: np.ndarray  # [T, P]


@dataclass(frozen=True)
class State:
    """What a causal filter knows after a frame: enough to go on from."""

    time_s: float
    mean: np.ndarray  # [2, P] value, and velocity in units a second
    covariance: np.ndarray  # [3, P]: of the value, of both, of the velocity


def acceleration_density(variance: np.ndarray, step_s: float, cutoff_hz: np.ndarray) -> np.ndarray:
    """[P] units^2 / s^3 of the acceleration noise that puts the response's half at `cutoff_hz` [P].

    `variance` [P] is a frame's usual one, `step_s` the usual time between frames. The spectrum of the measurement
    noise is variance * step, that of the motion q / w^4: they are equal at the cutoff.
    """
    return variance * step_s * (2 * np.pi * np.asarray(cutoff_hz)) ** 4


def smooth_stretches(
    times: np.ndarray,  # [T] seconds, increasing
    spans: Sequence[slice],  # of the frames, one after the other
    # number of a span -> its values [n, P], NaN where missing, and variance [n, P], infinite where a frame says nothing
    load: Callable[[int], tuple[np.ndarray, np.ndarray]],
    density: np.ndarray,  # [P] of acceleration_density
) -> Iterator[tuple[int, Smoothed]]:
    """All frames know all others (Rauch, Tung and Striebel 1965), whatever the spans.

    Spans are given from the last to the first, and one is in memory at a time: a first pass keeps the filter's state
    at the start of each, which is filtered again on the way back.
    """
    before: list[State | None] = [None]
    for i, span in enumerate(spans):
        ((after, _),) = collections.deque(_filtered(before[-1], times[span], *load(i), density), maxlen=1)
        before.append(after)
    mean = covariance = later = None  # of the frame after: what is known, and what was foretold
    for i in range(len(spans) - 1, -1, -1):
        passed = list(_filtered(before[i], times[spans[i]], *load(i), density))
        means, variances = np.empty((2, len(passed), len(density)))
        for n in range(len(passed) - 1, -1, -1):
            state, foretold = passed[n]
            if later is None:
                mean, covariance = state.mean, state.covariance
            else:
                mean, covariance = _back(state, later, mean, covariance, later.time_s - state.time_s)
            later = foretold
            means[n], variances[n] = mean[0], covariance[0]
        yield i, Smoothed(means, variances)


def _filtered(state: State | None, times, values, variance, density) -> Iterator[tuple[State, State | None]]:
    """The state after each frame, and what was foretold of it."""
    for time_s, value, spread in zip(times, values, variance, strict=True):
        before = None if state is None else predict(state, float(time_s), density)
        state = update(before, float(time_s), value, spread)
        yield state, before


def follow_on(
    state: State | None, time_s: float, value: np.ndarray, variance: np.ndarray, density: np.ndarray
) -> State:
    """The state after one more frame [P], for who cannot look ahead.

    Where a frame says nothing the motion comes to rest within some COAST_S.
    """
    if state is None:
        return update(None, time_s, value, variance)
    before = predict(state, time_s, density)
    unseen = ~(np.isfinite(value) & np.isfinite(variance))
    slower = np.where(unseen, np.exp(-(time_s - state.time_s) / COAST_S), 1.0)
    before = State(time_s, before.mean * np.stack([np.ones_like(slower), slower]), before.covariance)
    return update(before, time_s, value, variance)


def predict(state: State, time_s: float, density: np.ndarray) -> State:
    """The state at a later time, before anything is seen there."""
    t = time_s - state.time_s
    (value, velocity), (vv, vs, ss) = state.mean, state.covariance
    covariance = np.stack(
        [
            vv + t * (2 * vs + t * ss) + density * t**3 / 3,
            vs + t * ss + density * t**2 / 2,
            ss + density * t,
        ]
    )
    return State(time_s, np.stack([value + t * velocity, velocity]), covariance)


def update(before: State | None, time_s: float, value: np.ndarray, variance: np.ndarray) -> State:
    """The state once a frame's values [P] of variance [P] are known; the first frame starts at rest, loosely."""
    seen = np.isfinite(value) & np.isfinite(variance)
    value, variance = np.where(seen, value, 0.0), np.where(seen, variance, 1.0)
    if before is None:
        loose = np.where(seen, variance, _UNKNOWN)
        zero = np.zeros_like(value)
        return State(time_s, np.stack([value, zero]), np.stack([loose, zero, np.full_like(value, _UNKNOWN)]))
    vv, vs, ss = before.covariance
    total = vv + variance
    gain = np.where(seen, np.stack([vv, vs]) / total, 0.0)  # [2, P]
    covariance = np.stack([vv - gain[0] * vv, vs - gain[0] * vs, ss - gain[1] * vs])
    return State(time_s, before.mean + gain * (value - before.mean[0]), covariance)


_UNKNOWN = 1e6  # variance of what nothing is known of


def _back(state: State, ahead: State, mean: np.ndarray, covariance: np.ndarray, t: float):
    """One step of the backward pass: the smoothed mean [2, P] and covariance [3, P] at `state`."""
    vv, vs, ss = state.covariance
    pv, pc, ps = ahead.covariance
    determinant = pv * ps - pc**2
    # gain = P F' (predicted)^-1 with F = [[1, t], [0, 1]]
    a, b, c, d = vv + t * vs, vs, vs + t * ss, ss  # P F', row by row
    g00, g01 = (a * ps - b * pc) / determinant, (b * pv - a * pc) / determinant
    g10, g11 = (c * ps - d * pc) / determinant, (d * pv - c * pc) / determinant
    dv, ds = mean - ahead.mean
    d00, d01, d11 = covariance - ahead.covariance
    smoothed = state.mean + np.stack([g00 * dv + g01 * ds, g10 * dv + g11 * ds])
    h00, h01 = g00 * d00 + g01 * d01, g00 * d01 + g01 * d11
    h10, h11 = g10 * d00 + g11 * d01, g10 * d01 + g11 * d11
    change = np.stack([h00 * g00 + h01 * g01, h00 * g10 + h01 * g11, h10 * g10 + h11 * g11])
    return smoothed, state.covariance + change
