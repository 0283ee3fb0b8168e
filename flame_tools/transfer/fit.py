"""The motion of one head that puts chosen vertices where they are wanted: bounded, and coherent in time.

    minimise  mean over vertices |posed - wanted|^2  +  gaps between pairs of vertices  +  how far x is from what is
              expected, how many of its entries move, and how fast

over x, where motion = fixed + x @ directions: expression weights one by one, or ARKit weights that each move several.
Gauss-Newton: what the jaw and the lids do is linearised about the last motion, every step is an exact bounded solve.
Long clips go through windows that begin where the last one ended, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flame_tools.blas import one_blas_thread
from flame_tools.transfer.bounded import solve_bounded
from flame_tools.transfer.points import FacePoints, Placed

_WINDOW, _AHEAD = 240, 12  # frames solved together, and how many beyond them are solved to be thrown away
_STEPS = 12
_SETTLED_M = 2e-6  # steps end when no vertex moves further than this
_MM = 1e3


@dataclass(frozen=True)
class Unknowns:
    """What is solved for: motion = fixed + x @ directions."""

    directions: np.ndarray  # [n, E + 11]
    low: np.ndarray  # [n]
    high: np.ndarray  # [n]
    sd: np.ndarray  # [n] how far from rest each usually goes


@dataclass(frozen=True)
class Wanted:
    """Where the vertices should be in t frames, and the gaps between pairs of them that count beside their places."""

    points: np.ndarray  # [t, n, 3] metres
    gaps: np.ndarray  # [t, P, 3] metres, first minus second of each pair
    gap_weight: np.ndarray  # [t, P, 3] per axis, beside the mean squared distance of the points


@dataclass(frozen=True)
class Terms:
    """How much each term counts beside the mean squared distance in square millimetres."""

    expected: float = 2e-4  # ((x - expected) / sd)^2
    few: float = 6e-3  # |x| / sd where x is expected at its lower bound: weights stay at zero unless they are needed
    coherence: float = 5e-3  # (change of x from frame to frame / sd)^2


@dataclass(frozen=True)
class Fit:
    """What was found."""

    x: np.ndarray  # [T, n]
    motion: np.ndarray  # [T, E + 11]
    residual_mm: np.ndarray  # [T] weighted mean distance of the vertices from where they were wanted


def fit_motion(
    points: FacePoints,
    wanted: Callable[[slice], Wanted],
    unknowns: Unknowns,
    fixed: np.ndarray,  # [T, E + 11]
    *,
    weights: np.ndarray,  # [n] how much each vertex counts, any scale
    pairs: np.ndarray,  # [P, 2] rows of the FacePoints whose gaps count
    expected: np.ndarray | None = None,  # [T, n] x where the vertices do not tell; rest by default
    terms: Terms = Terms(),
    coherent: bool = True,  # False: frames have nothing to do with each other
) -> Fit:
    """Solve a clip; `wanted` is asked for one window of frames at a time."""
    frames = len(fixed)
    x, residual = np.zeros((frames, len(unknowns.sd))), np.zeros(frames)
    expected = x.copy() if expected is None else np.clip(expected, unknowns.low, unknowns.high)
    problem = _Problem(points, weights / weights.sum(), pairs, unknowns, terms, coherent)
    with one_blas_thread():
        for start in range(0, frames, _WINDOW):
            end = min(start + _WINDOW, frames)
            rows = slice(start, min(end + _AHEAD * coherent, frames))
            before = x[start - 1] if start and coherent else None
            found, errors = problem.solve(wanted(rows), fixed[rows], expected[rows], before)
            x[start:end], residual[start:end] = found[: end - start], errors[: end - start]
    return Fit(x, fixed + x @ unknowns.directions, residual)


class _Problem:
    """The parts of the least squares that stay the same over a clip."""

    def __init__(self, points: FacePoints, share, pairs, unknowns: Unknowns, terms: Terms, coherent: bool):
        self.points, self.share, self.pairs, self.unknowns = points, share, pairs, unknowns
        at = points.columns
        self.expression = at["expression"]
        self.turning = np.r_[at["jaw"], at["eyelids"]]
        n, _, e = points.expression.shape
        basis = points.expression.reshape(3 * n, e) * _MM  # [3 n, E]; E may be 0
        self.basis_weighted = (basis * np.repeat(share, 3)[:, None]).T  # [E, 3 n]
        self.basis_squared = self.basis_weighted @ basis
        held = 2 / unknowns.sd**2
        self.pull, self.coherence = terms.expected * held, terms.coherence * held * coherent
        self.few = terms.few / unknowns.sd

    def solve(self, wanted: Wanted, fixed, expected, before) -> tuple[np.ndarray, np.ndarray]:
        """x [T, n] and residual [T] in mm of one window; `before` is x of the frame before it."""
        u, x = self.unknowns, expected
        towards = self.pull * expected - self.few * np.clip(1 - (expected - u.low) / u.sd, 0, 1)
        placed = self.points.place(fixed + x @ u.directions)
        for _ in range(_STEPS):
            hessian, gradient = self._linearised(fixed + x @ u.directions, placed, wanted)
            linear = np.einsum("tij,tj->ti", hessian, x) - gradient + towards
            hessian = hessian + np.diag(self.pull)
            if before is not None:
                hessian[0] += np.diag(self.coherence)
                linear[0] += self.coherence * before
            x = solve_bounded(hessian, linear, u.low, u.high, coherence=self.coherence, start=x)
            last, placed = placed, self.points.place(fixed + x @ u.directions)
            if np.abs(placed.points - last.points).max() < _SETTLED_M:
                break
        distance = np.linalg.norm(placed.points - wanted.points, axis=-1)
        return x, _MM * distance @ self.share

    def _linearised(self, motion, placed: Placed, wanted: Wanted) -> tuple[np.ndarray, np.ndarray]:
        """Hessian [T, n, n] and gradient [T, n] of the distances and gaps, in mm^2."""
        frames, size = motion.shape
        e = self.expression.stop
        error = _MM * placed.pulled_back(placed.points - wanted.points).reshape(frames, -1)
        columns = _MM * self.points.jaw_and_lids(motion, placed).reshape(frames, 5, -1)
        heavy = columns * np.repeat(self.share, 3)
        hessian, gradient = np.zeros((frames, size, size)), np.zeros((frames, size))
        hessian[:, :e, :e] = self.basis_squared
        cross = (columns.reshape(frames * 5, -1) @ self.basis_weighted.T).reshape(frames, 5, e)
        hessian[:, self.turning, :e] = cross
        hessian[:, :e, self.turning] = cross.transpose(0, 2, 1)
        hessian[:, self.turning[:, None], self.turning] = heavy @ columns.transpose(0, 2, 1)
        gradient[:, :e] = error @ self.basis_weighted.T
        gradient[:, self.turning] = (heavy @ error[..., None])[..., 0]
        if len(self.pairs):
            self._add_gaps(hessian, gradient, placed, columns.reshape(frames, 5, -1, 3), wanted)
        d = self.unknowns.directions
        return 2 * (d @ hessian @ d.T), 2 * (gradient @ d.T)

    def _add_gaps(self, hessian, gradient, placed: Placed, columns, wanted: Wanted) -> None:
        """Differences of posed vertices: here the two turn differently, so each is seen as it is posed."""
        frames, e = len(gradient), self.expression.stop
        moves = np.zeros((frames, len(self.pairs), 3, gradient.shape[1]))
        gap = -wanted.gaps
        for rows, sign in zip(self.pairs.T, (1.0, -1.0), strict=True):
            turn = placed.turn[:, rows]
            moves[..., :e] += sign * _MM * (turn @ self.points.expression[rows])
            moves[..., self.turning] += sign * (turn @ columns[:, :, rows].transpose(0, 2, 3, 1))
            gap = gap + sign * placed.points[:, rows]
        weight = np.sqrt(wanted.gap_weight / len(self.pairs))
        moves = (moves * weight[..., None]).reshape(frames, -1, gradient.shape[1])
        error = (_MM * gap * weight).reshape(frames, -1, 1)
        hessian += moves.transpose(0, 2, 1) @ moves
        gradient += (moves.transpose(0, 2, 1) @ error)[..., 0]
