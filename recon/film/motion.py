"""A person's fits, frame by frame, as one motion: what is trusted weighs, what is missing is bridged, jitter goes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.types import HeadArrays
from recon.film.smoothing import COAST_S, Smoothed, State, acceleration_density, follow_on, smooth_stretches
from recon.fitting.layout import Layout
from recon.fitting.priors import bounds, prior

LEAST_TRUST = 0.3  # frames that are trusted less are bridged
WORST_ERROR = 0.12  # as are frames whose landmarks the fit does not meet, as a share of the distance between the eyes
_MOST_LOOKED_AT = 4096  # frames that tell how sure fits usually are


@dataclass(frozen=True)
class Cutoffs:
    """Up to which frequency motion is believed, Hz: people's own is slower, a network's tremble faster."""

    pose: float = 4.0  # of the head
    face: float = 6.0  # of expression and jaw: speech has up to five syllables a second
    brows: float = 5.0
    lids: float = 9.0  # a lid falls in a tenth of a second
    gaze: float = 9.0

    def of(self, head: HeadArrays, lay: Layout) -> np.ndarray:
        """[K] of a frame's unknowns."""
        hz = np.full(lay.size, self.pose)
        hz[lay.expression] = [self.brows if name.startswith("brow") else self.face for name in head.expression_names]
        hz[lay.jaw], hz[lay.eyes], hz[lay.eyelids] = self.face, self.gaze, self.lids
        return hz


@dataclass(frozen=True)
class Motion:
    """A person's face at T frames."""

    unknowns: np.ndarray  # [T, K]
    sd: np.ndarray  # [T, K]
    bridged: np.ndarray  # [T] bool: not seen well enough, and taken from the frames around


def joined(
    times: np.ndarray,  # [T] seconds
    # of each stretch of frames [n, K]: unknowns, NaN where a frame has no fit, and their variance in each frame alone,
    # 0 where a bound holds; loaded as often as they are asked for
    stretches: Sequence[tuple[np.ndarray, np.ndarray]],
    trust: np.ndarray,  # [T] in [0, 1]
    error: np.ndarray,  # [T] of FrameFit
    head: HeadArrays,
    lay: Layout,
    *,
    cutoffs: Cutoffs = Cutoffs(),
    causal: bool = False,  # no frame knows those that come after it, but for frames before the first good one
) -> Motion:
    """The motion through fits of single frames; where none is good for long it comes to rest.

    Landmarks err alike from frame to frame, so the standard deviations stay those of single frames, and grow where
    frames are bridged, up to those of faces that nothing is known of.
    """
    bridged = (trust < LEAST_TRUST) | ~(error <= WORST_ERROR)
    spans, last, turns, looked_at, focal = [], None, [], [], []
    every = -(-max(int((~bridged).sum()), 1) // _MOST_LOOKED_AT)
    for unknowns, variance in stretches:
        start = spans[-1].stop if spans else 0
        spans.append(slice(start, start + len(unknowns)))
        bridged[spans[-1]] |= ~np.isfinite(unknowns).all(1)
        good = ~bridged[spans[-1]]
        turns.append(last)
        last = _last_turn(_continuous(unknowns[good], lay, last), lay, last)
        picked = np.flatnonzero(good)
        picked = picked[(start + picked) % every == 0]
        looked_at.append(variance[picked])
        focal.append(unknowns[picked, lay.log_focal])
    sampled = np.concatenate(looked_at)
    usual = usual_variance(sampled) if len(sampled) else np.ones(lay.size)
    weigh = _Weigher(stretches, spans, bridged, trust, usual, turns, lay)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    density = acceleration_density(usual, step, cutoffs.of(head, lay))
    found = (_looking_back if causal else smooth_stretches)(times, spans, weigh, density)
    low, high = bounds(head, lay)
    mean, sd = np.zeros((len(times), lay.size)), np.full((len(times), lay.size), np.nan)
    for i, part in found:
        mean[spans[i]] = part.mean
        sd[spans[i]] = deviation(np.where(bridged[spans[i], None], usual, weigh.alone(i)) + part.variance, head, lay)
    if not causal:
        _come_to_rest(mean, times, ~bridged)
    np.clip(mean, low, high, out=mean)
    if not sampled[:, lay.log_focal].any():  # one for all frames
        mean[:, lay.log_focal] = np.median(np.concatenate(focal), 0) if len(sampled) else 0.0
        sd[:, lay.log_focal] = 0
    return Motion(mean, sd, bridged)


def weighed(alone: np.ndarray, trust) -> np.ndarray:
    """The variance of fits by how far they are trusted."""
    return alone / np.maximum(trust, 1e-3) ** 2


def deviation(variance: np.ndarray, head: HeadArrays, lay: Layout) -> np.ndarray:
    """Standard deviations [n, K]: of a face that nobody has seen for long no more is unknown than of any face."""
    return np.minimum(np.sqrt(variance), prior(head, lay)[1])


@dataclass(frozen=True)
class _Weigher:
    """Values and variances of a stretch, as they are to be smoothed."""

    stretches: Sequence[tuple[np.ndarray, np.ndarray]]
    spans: list[slice]
    bridged: np.ndarray  # [T] bool
    trust: np.ndarray  # [T]
    usual: np.ndarray  # [K]
    turns: list[np.ndarray | None]  # the last rotation vector before each stretch
    lay: Layout

    def __call__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        unknowns, variance = self.stretches[i]
        bridged, trust = self.bridged[self.spans[i], None], self.trust[self.spans[i], None]
        values = _continuous(np.where(bridged, np.nan, unknowns), self.lay, self.turns[i])
        return values, np.where(bridged, np.inf, weighed(self._alone(variance), trust))

    def alone(self, i: int) -> np.ndarray:
        """[n, K] variance of single frames."""
        return self._alone(self.stretches[i][1])

    def _alone(self, variance: np.ndarray) -> np.ndarray:
        return np.where(variance > 0, variance, self.usual)  # at a bound: as sure as such frames usually are


def usual_variance(variance: np.ndarray) -> np.ndarray:
    """[K] median over the frames in which no bound held the unknown; of all unknowns where one always did."""
    free = np.where(variance > 0, variance, np.nan)
    some = np.isfinite(free).any(0)
    usual = np.full(variance.shape[1], 1e-4)
    usual[some] = np.nanmedian(free[:, some], 0)
    return usual


def nearest_turn(turn: np.ndarray, last: np.ndarray | None) -> np.ndarray:
    """The rotation vector that is nearer to the last one: r and r - 2 pi r / |r| turn alike."""
    angle = np.linalg.norm(turn)
    if last is None or not angle > 1e-6:
        return turn
    other = turn * (1 - 2 * np.pi / angle)
    return other if np.linalg.norm(other - last) < np.linalg.norm(turn - last) else turn


def _continuous(values: np.ndarray, lay: Layout, last: np.ndarray | None) -> np.ndarray:
    """Values whose rotation vectors are each the one nearest to the last; where they are NaN they stay so."""
    values = values.copy()
    turns = values[:, lay.rotation]
    for n in np.flatnonzero(np.isfinite(turns).all(1)):
        last = turns[n] = nearest_turn(turns[n], last)
    return values


def _last_turn(values: np.ndarray, lay: Layout, last: np.ndarray | None) -> np.ndarray | None:
    return values[-1, lay.rotation].copy() if len(values) else last


def _come_to_rest(mean: np.ndarray, times: np.ndarray, good: np.ndarray) -> None:
    """Bend means [T, K] where nothing is seen, in place: they run on in straight lines, and through gaps in cubics.

    As with a causal filter the motion comes to rest within some COAST_S: who turns away at the end turns no further.
    """
    seen = np.flatnonzero(good)
    if not len(seen):
        return
    for edge, beyond in ((seen[0], slice(0, seen[0])), (seen[-1], slice(seen[-1] + 1, None))):
        away = np.abs(times[beyond] - times[edge])[:, None]
        mean[beyond] = mean[edge] + (mean[beyond] - mean[edge]) * (COAST_S * -np.expm1(-away / COAST_S) / away)
    for start, end in itertools.pairwise(seen):
        if end - start > 2:
            mean[start + 1 : end] = _through_gap(mean[start : end + 1], times[start : end + 1] - times[start])


def _through_gap(cubic: np.ndarray, times: np.ndarray) -> np.ndarray:
    """[n, K] between the ends of a cubic [n + 2, K] at times from 0 on: with its ends and their velocities, the curve
    of the least acceleration for who would come to rest. In short gaps it is the cubic; in long ones a slow way across.
    """
    first, last, length, t = cubic[0], cubic[-1], times[-1], times[1:-1, None]
    share = t / length
    by_velocity = np.concatenate([t * (1 - share) ** 2, -t * share * (1 - share)], 1)  # Hermite's, [n, 2]
    rest = cubic[1:-1] - first - (last - first) * share**2 * (3 - 2 * share)
    v0, v1 = np.linalg.solve(by_velocity[[0, -1]], rest[[0, -1]])
    # velocity: a exp(-t / COAST_S) + b exp((t - length) / COAST_S) + c
    far, slowed = np.exp(-length / COAST_S), COAST_S * np.tanh(length / (2 * COAST_S))
    c = (last - first - slowed * (v0 + v1)) / (length - 2 * slowed)
    both, apart = (v0 + v1 - 2 * c) / (1 + far), (v0 - v1) / (1 - far)
    a, b = (both + apart) / 2, (both - apart) / 2
    return first + COAST_S * (a * -np.expm1(-t / COAST_S) + b * (np.exp((t - length) / COAST_S) - far)) + c * t


def _looking_back(times: np.ndarray, spans, load, density: np.ndarray) -> Iterator[tuple[int, Smoothed]]:
    """By the frames before; those before the first that says anything stand where it does, nobody knows how surely."""
    state: State | None = None
    waiting: list[tuple[int, int]] = []  # spans before that frame, and how long they are
    for i, span in enumerate(spans):
        values, variance = load(i)
        means, variances = np.full((2, *values.shape), np.nan)
        told = np.isfinite(variance).any(1)
        first = 0 if state is not None else int(told.argmax()) if told.any() else len(told)
        for n in range(first, len(values)):
            state = follow_on(state, float(times[span.start + n]), values[n], variance[n], density)
            means[n], variances[n] = state.mean[0], state.covariance[0]
        if state is None:
            waiting.append((i, len(values)))
            continue
        means[:first] = means[first : first + 1]
        for before, count in waiting:
            held = np.repeat(means[:1], count, 0)
            yield before, Smoothed(held, np.full_like(held, np.nan))
        waiting.clear()
        yield i, Smoothed(means, variances)
