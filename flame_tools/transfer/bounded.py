"""Bounded least squares over many frames at once, neighbours in time held together.

    minimise  sum_t 1/2 x_t' H_t x_t - g_t' x_t  +  1/2 sum_t,k c_k (x_t+1,k - x_t,k)^2    with low <= x_t <= high

Block principal pivoting (Judice & Pires, "A block principal pivoting algorithm for large-scale strictly monotone linear
complementarity problems", 1994): guess which unknowns rest on a bound, solve exactly for the others, and exchange those
that prove the guess wrong, all of a frame at once, or one at a time where that goes in circles. Frames touch only their
neighbours, so one solve is one banded Cholesky factorisation: linear in the number of frames.
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 100  # a handful is usual
_TRIES = 3  # rounds without progress after which a frame exchanges one unknown at a time


def solve_bounded(
    hessian: np.ndarray,  # [T, n, n] symmetric, positive definite
    linear: np.ndarray,  # [T, n]
    low: np.ndarray,  # [n] or [T, n]
    high: np.ndarray,  # [n] or [T, n]
    *,
    coherence: np.ndarray | None = None,  # [n] weight of the squared change from frame to frame
    start: np.ndarray | None = None,  # [T, n]
    tolerance: float = 1e-7,  # of x beyond a bound, and of forces against one
) -> np.ndarray:  # [T, n]
    """The minimiser of the quadratic above. `start` says which bounds are likely to hold."""
    low, high = (np.broadcast_to(np.asarray(bound, np.float64), linear.shape) for bound in (low, high))
    frames, n = linear.shape
    coherence = np.zeros(n) if coherence is None or frames < 2 else coherence
    x = np.clip(np.zeros(linear.shape) if start is None else start, low, high)
    if not linear.size:
        return x

    def gradient(x: np.ndarray) -> np.ndarray:
        forces = np.einsum("tij,tj->ti", hessian, x) - linear
        pull = coherence * np.diff(x, axis=0)
        forces[1:] += pull
        forces[:-1] -= pull
        return forces

    held = np.where(x >= high, 1, 0) - np.where(x <= low, 1, 0)  # -1 on the lower bound, 1 on the upper, 0 free
    fewest, tries = np.full(frames, n + 1), np.full(frames, _TRIES)
    for _ in range(_ROUNDS):
        x = np.where(held < 0, low, np.where(held > 0, high, x))
        x = x + _newton_step(hessian, gradient(x), held != 0, coherence)
        force = gradient(x)
        sinks, rises = (held == 0) & (x < low - tolerance), (held == 0) & (x > high + tolerance)
        wrong = sinks | rises | ((held < 0) & (force < -tolerance)) | ((held > 0) & (force > tolerance))
        count = wrong.sum(1)
        if not count.any():
            break
        better = count < fewest
        tries = np.where(better, _TRIES, tries - 1)
        fewest = np.minimum(fewest, count)
        last = n - 1 - wrong[:, ::-1].argmax(1)
        one = (tries < 0)[:, None] & (np.arange(n) != last[:, None])
        held = np.where(wrong & ~one, rises * 1 - sinks * 1, held)
    return np.clip(x, low, high)


def _newton_step(hessian: np.ndarray, gradient: np.ndarray, held: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    """The step [T, n] that zeroes the gradient of what is not `held`; held unknowns stay."""
    from scipy.linalg import solveh_banded

    frames, n = gradient.shape
    free = ~held
    neighbours = np.full(frames, 2.0)
    neighbours[[0, -1]] -= 1.0
    blocks = hessian * (free[:, :, None] & free[:, None, :])
    diagonal = np.arange(n)
    blocks[:, diagonal, diagonal] += np.where(free, np.multiply.outer(neighbours, coherence), 1.0)
    together = np.zeros((n + 1, frames, n))  # lower band: row d holds the entries d below the diagonal
    for below in range(n):
        together[below, :, : n - below] = blocks[:, diagonal[below:], diagonal[: n - below]]
    together[n, :-1] = -coherence * (free[1:] & free[:-1])
    if not coherence.any():
        together = together[:n]
    right = np.where(free, -gradient, 0.0)
    return solveh_banded(together.reshape(len(together), -1), right.reshape(-1), lower=True).reshape(frames, n)
