"""Bounded least squares over many frames at once, neighbours in time held together.

    minimise  sum_t 1/2 x_t' H_t x_t - g_t' x_t  +  1/2 sum_t,k c_k (x_t+1,k - x_t,k)^2    with low <= x_t <= high

Projected Newton steps (Bertsekas, "Projected Newton methods for optimization problems with simple constraints",
1982): unknowns that a bound holds back are fixed, the others take the exact Newton step. Frames touch only their
neighbours, so one step is one banded Cholesky solve: linear in the number of frames.
"""

from __future__ import annotations

import numpy as np

_STEPS = 40  # a handful is usual: the bounds that hold are found within a few steps
_SHORTEST = 1e-3  # of a Newton step, below which the line search gives up


def solve_bounded(
    hessian: np.ndarray,  # [T, n, n] symmetric, positive definite
    linear: np.ndarray,  # [T, n]
    low: np.ndarray,  # [n] or [T, n]
    high: np.ndarray,  # [n] or [T, n]
    *,
    coherence: np.ndarray | None = None,  # [n] weight of the squared change from frame to frame
    start: np.ndarray | None = None,  # [T, n]
    tolerance: float = 1e-9,
) -> np.ndarray:  # [T, n]
    """The minimiser of the quadratic above."""
    low, high = (np.broadcast_to(np.asarray(bound, np.float64), linear.shape) for bound in (low, high))
    x = np.clip(np.zeros_like(linear) if start is None else start, low, high)
    coherence = np.zeros(linear.shape[1]) if coherence is None or len(linear) < 2 else coherence

    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        forces = np.einsum("tij,tj->ti", hessian, x)
        change = np.diff(x, axis=0)
        value = 0.5 * (x * forces).sum() - (linear * x).sum() + 0.5 * (coherence * change**2).sum()
        gradient = forces - linear
        gradient[1:] += coherence * change
        gradient[:-1] -= coherence * change
        return float(value), gradient

    if not linear.size:
        return x
    value, gradient = value_and_gradient(x)
    for _ in range(_STEPS):
        held = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        step = _newton_step(hessian, gradient, held, coherence)
        share = 1.0
        while share > _SHORTEST:
            tried = np.clip(x + share * step, low, high)
            new_value, new_gradient = value_and_gradient(tried)
            if new_value <= value:
                break
            share /= 2
        else:
            return x
        moved = np.abs(tried - x).max()
        x, value, gradient = tried, new_value, new_gradient
        if moved < tolerance:
            break
    return x


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
