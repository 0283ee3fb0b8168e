"""Least squares with bounds and robust residuals: what a problem is, its cost, and its Gauss-Newton expansion."""

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


def free_of(x: np.ndarray, gradient: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Unknowns that a bound does not hold back: inside, or pulled inwards."""
    return ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)) | (low == high))


def total_cost(problem: Problem, x: np.ndarray) -> float:
    """The problem's cost at x [K]."""
    r, _ = problem.residuals(x, False)
    squared = (r**2).sum(1)
    c2 = problem.cauchy**2
    rho = np.where(problem.robust, c2 * np.log1p(squared / c2), squared)
    return float(rho.sum() + (((x - problem.mean) / problem.sd) ** 2).sum())


def expand(problem: Problem, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
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
