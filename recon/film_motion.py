"""A person's fits, frame by frame, as one motion: what is trusted weighs, what is missing is bridged, jitter goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.types import HeadArrays
from recon.landmark_model import Layout
from recon.priors import bounds
from recon.smoothing import Smoothed, State, acceleration_density, predict, smooth, update

LEAST_TRUST = 0.3  # frames that are trusted less are bridged
WORST_ERROR = 0.12  # as are frames whose landmarks the fit does not meet, as a share of the distance between the eyes


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
    unknowns: np.ndarray,  # [T, K], NaN where a frame has no fit
    variance: np.ndarray,  # [T, K] of each frame alone; 0 where a bound holds
    trust: np.ndarray,  # [T] in [0, 1]
    error: np.ndarray,  # [T] of FrameFit
    head: HeadArrays,
    lay: Layout,
    *,
    cutoffs: Cutoffs = Cutoffs(),
    causal: bool = False,  # no frame knows those that come after it
) -> Motion:
    """The motion through fits of single frames.

    Landmarks err alike from frame to frame, so the standard deviations stay those of single frames, and grow where
    frames are bridged.
    """
    bridged = (trust < LEAST_TRUST) | ~np.isfinite(unknowns).all(1) | ~(error <= WORST_ERROR)
    values = _continuous(np.where(bridged[:, None], np.nan, unknowns), lay)
    usual = _usual(variance[~bridged]) if not bridged.all() else np.ones(unknowns.shape[1])
    alone = np.where(variance > 0, variance, usual)  # at a bound: as sure as such frames usually are
    weighed = np.where(bridged[:, None], np.inf, alone / np.maximum(trust, 1e-3)[:, None] ** 2)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    density = acceleration_density(usual, step, cutoffs.of(head, lay))
    found = (_filtered if causal else smooth)(times, values, weighed, density)
    low, high = bounds(head, lay)
    fixed = slice(lay.log_focal.start, lay.log_focal.stop)
    mean = np.clip(found.mean, low, high)
    mean[:, fixed] = np.nanmedian(unknowns[:, fixed])
    sd = np.sqrt(np.where(bridged[:, None], usual, alone) + found.variance)
    sd[:, fixed] = 0
    return Motion(mean, sd, bridged)


def _usual(variance: np.ndarray) -> np.ndarray:
    """[K] median over the frames in which no bound held the unknown; of all unknowns where one always did."""
    free = np.where(variance > 0, variance, np.nan)
    some = np.isfinite(free).any(0)
    usual = np.full(variance.shape[1], 1e-4)
    usual[some] = np.nanmedian(free[:, some], 0)
    return usual


def _continuous(values: np.ndarray, lay: Layout) -> np.ndarray:
    """Rotation vectors of which each is the one nearest to the last: r and r - 2 pi r / |r| turn alike."""
    values = values.copy()
    turns = values[:, lay.rotation]
    last = None
    for turn in turns:
        if not np.isfinite(turn).all():
            continue
        angle = np.linalg.norm(turn)
        if last is not None and angle > 1e-6:
            other = turn * (1 - 2 * np.pi / angle)
            if np.linalg.norm(other - last) < np.linalg.norm(turn - last):
                turn[:] = other
        last = turn.copy()
    values[:, lay.rotation] = turns
    return values


def _filtered(times: np.ndarray, values: np.ndarray, variance: np.ndarray, density: np.ndarray) -> Smoothed:
    state: State | None = None
    means, variances = [], []
    for time_s, value, spread in zip(times, values, variance, strict=True):
        before = None if state is None else predict(state, float(time_s), density)
        state = update(before, float(time_s), value, spread)
        means.append(state.mean[0])
        variances.append(state.covariance[0])
    return Smoothed(np.stack(means), np.stack(variances))
