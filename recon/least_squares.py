"""Levenberg-Marquardt with bounds and robust residuals, for dense problems of a few hundred unknowns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """What a solver needs to know: r(x), dr/dx, a Gaussian prior and a box.

    Cost: sum over groups of rho(|r_group|^2) + sum(((x - mean) / sd)^2) with rho(s) = c^2 log(1 + s / c^2) (Cauchy);
    a group is one row of r, such as the two coordinates of a landmark. Groups with `robust` False are squared.
    """

    residuals: Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray | None]]
    """x [K], wants_jacobian -> r [n, d], dr/dx [n, d, K] or None."""
    robust: np.ndarray
    """[n] bool."""
    mean: np.ndarray
    """[K]"""
    sd: np.ndarray
    """[K]; infinite where nothing is known."""
    low: np.ndarray
    """[K]"""
    high: np.ndarray
    """[K]"""
    cauchy: float = 3.0
    """Residuals beyond this many standard deviations lose their pull."""


@dataclass(frozen=True)
class Solution:
    """Where the solver stopped."""

    x: np.ndarray  # [K]
    cost: float
    steps: int
    hessian: np.ndarray  # [K, K] Gauss-Newton, of half the cost, prior included
    free: np.ndarray  # [K] bool: not held by a bound


def solve(
    problem: Problem, start: np.ndarray, *, active: np.ndarray | None = None, steps: int = 40, tolerance: float = 1e-5
) -> Solution:
    """Minimise from `start` [K]; unknowns where `active` is False stay. `tolerance` is relative, on the cost."""
    active = np.ones(len(start), bool) if active is None else active
    x = np.clip(start, problem.low, problem.high)
    cost, gradient, hessian = _expand(problem, x)
    damping = 1e-3
    for step in range(1, steps + 1):  # noqa: B007 (reported)
        free = active & _free(problem, x, gradient)
        improved = False
        while damping < 1e8:
            trial = np.clip(_step(x, gradient, hessian, free, damping), problem.low, problem.high)
            trial_cost = _cost(problem, trial)
            if trial_cost < cost:
                improved = True
                damping = max(damping / 5, 1e-9)
                break
            damping *= 4
        if not improved:
            break
        gain, x = cost - trial_cost, trial
        cost, gradient, hessian = _expand(problem, x)
        if gain < tolerance * cost:
            break
    return Solution(x, cost, step, hessian, active & _free(problem, x, gradient))


def _free(problem: Problem, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Unknowns that a bound does not hold back: inside, or pulled inwards."""
    return ~(((x <= problem.low) & (gradient > 0)) | ((x >= problem.high) & (gradient < 0)))


def _step(x: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, free: np.ndarray, damping: float) -> np.ndarray:
    ids = np.flatnonzero(free)
    matrix = hessian[np.ix_(ids, ids)]
    matrix = matrix + np.diag(damping * np.maximum(np.diag(matrix), 1e-12))
    moved = x.copy()
    moved[ids] -= np.linalg.solve(matrix, gradient[ids])
    return moved


def _cost(problem: Problem, x: np.ndarray) -> float:
    r, _ = problem.residuals(x, False)
    squared = (r**2).sum(1)
    c2 = problem.cauchy**2
    rho = np.where(problem.robust, c2 * np.log1p(squared / c2), squared)
    return float(rho.sum() + (((x - problem.mean) / problem.sd) ** 2).sum())


def _expand(problem: Problem, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Cost, and gradient [K] and Gauss-Newton Hessian [K, K] of half of it (iteratively reweighted)."""
    r, jacobian = problem.residuals(x, True)
    squared = (r**2).sum(1)
    c2 = problem.cauchy**2
    rho = np.where(problem.robust, c2 * np.log1p(squared / c2), squared)
    root = np.sqrt(np.where(problem.robust, 1 / (1 + squared / c2), 1.0))  # of rho'
    flat = (jacobian * root[:, None, None]).reshape(-1, len(x))
    precision = problem.sd**-2.0
    gradient = flat.T @ (r * root[:, None]).ravel() + precision * (x - problem.mean)
    hessian = flat.T @ flat + np.diag(precision)
    return float(rho.sum() + (((x - problem.mean) / problem.sd) ** 2).sum()), gradient, hessian
