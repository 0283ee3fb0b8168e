"""Levenberg-Marquardt over many problems that share some of their unknowns: one identity, a pose for every picture.

The Hessian is an arrow: a block for each problem's own unknowns, and a border that couples each to the shared ones.
Own blocks are eliminated one by one (the Schur complement of bundle adjustment; Triggs et al. 2000, sec. 6.1), so time
and memory grow linearly with the number of problems.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.threads import default_threads, run_tasks
from recon.fitting.least_squares import Problem, expand, free_of, total_cost

_MOST_ROUNDS = 6  # in which unknowns may be found to stop at a bound, a step


@dataclass(frozen=True)
class SharedSolution:
    """Where the solver stopped, for T problems of K unknowns."""

    x: np.ndarray  # [T, K]; shared unknowns are the same in every row
    cost: float
    steps: int
    shared: np.ndarray  # [K] bool
    _there: Callable[[], tuple[np.ndarray, np.ndarray]]  # `free` and `hessian`: asked for by few, and a step's work

    @functools.cached_property
    def _found(self) -> tuple[np.ndarray, np.ndarray]:
        return self._there()

    @property
    def free(self) -> np.ndarray:
        """[T, K] bool: not held by a bound."""
        return self._found[0]

    @property
    def hessian(self) -> np.ndarray:
        """[T, K, K] Gauss-Newton, of half the cost; the shared part's prior is in row 0 alone."""
        return self._found[1]

    def covariance(self) -> np.ndarray:
        """[T, K, K] of each problem's unknowns, shared ones included; 0 where a bound holds."""
        return _covariance(self.hessian, self.free, self.shared)


@dataclass(frozen=True)
class _Arrow:
    """Cost, gradient and Gauss-Newton Hessian of half of it."""

    cost: float
    gradient: np.ndarray  # [T, K] of each problem; the shared part has its prior in row 0 alone
    hessian: np.ndarray  # [T, K, K] likewise


def solve_shared(
    problems: Sequence[Problem],
    start: np.ndarray,  # [T, K]
    shared: np.ndarray,  # [K] bool
    *,
    active: np.ndarray | None = None,  # [K] bool: the others stay
    steps: int = 40,
    tolerance: float = 1e-5,  # relative, on the cost
) -> SharedSolution:
    """Minimise the sum of the problems' costs; the prior and the bounds of what is shared are the first problem's."""
    active = np.ones(len(shared), bool) if active is None else active.copy()
    problems = [problems[0], *(_without_prior(p, shared) for p in problems[1:])]
    low, high = (np.stack([getattr(p, side) for p in problems]) for side in ("low", "high"))
    low[:, shared], high[:, shared] = problems[0].low[shared], problems[0].high[shared]
    x = np.clip(start, low, high)
    x[:, shared] = x[0, shared]

    def free_at(x: np.ndarray, now: _Arrow) -> np.ndarray:
        return active & _free(now, x, low, high, shared)

    def there() -> tuple[np.ndarray, np.ndarray]:
        last = _expand(problems, x) if now is None else now
        return free_at(x, last), last.hessian

    now: _Arrow | None = None  # at x, once it is needed
    damping = 1e-3
    for step in range(1, steps + 1):  # noqa: B007 (reported)
        now = _expand(problems, x) if now is None else now
        free, least, improved = free_at(x, now), now.cost, False
        while damping < 1e8:
            trial = np.clip(x + _step(now, x, free, shared, damping, low, high), low, high)
            cost = sum(_of_each(total_cost, problems, trial))
            if cost < least:
                least, improved = cost, True
                damping = max(damping / 5, 1e-9)
                break
            damping *= 4
        if not improved:
            break
        gain, x, now = now.cost - cost, trial, None
        if gain < tolerance * cost:
            break
    return SharedSolution(x, least, step, shared, there)


def solve(problem: Problem, start: np.ndarray, **options) -> SharedSolution:
    """One problem from `start` [K], as one row; the options are those of `solve_shared`."""
    return solve_shared([problem], start[None], np.zeros(len(start), bool), **options)


def _without_prior(problem: Problem, shared: np.ndarray) -> Problem:
    return dataclasses.replace(problem, sd=np.where(shared, np.inf, problem.sd))


def _of_each(function: Callable, problems: Sequence[Problem], x: np.ndarray) -> list:
    """function(problem, x [K]) of each, side by side: kernels of fits release the GIL."""
    found = [None] * len(problems)

    def call(n: int) -> None:
        found[n] = function(problems[n], x[n])

    run_tasks(call, [(n,) for n in range(len(problems))], default_threads())
    return found


def _expand(problems: Sequence[Problem], x: np.ndarray) -> _Arrow:
    costs, gradients, hessians = zip(*_of_each(expand, problems, x), strict=True)
    return _Arrow(float(sum(costs)), np.stack(gradients), np.stack(hessians))


def _free(now: _Arrow, x, low, high, shared: np.ndarray) -> np.ndarray:
    """[T, K]: unknowns that no bound holds back; a shared one by the sum of all gradients."""
    gradient = np.where(shared, now.gradient.sum(0), now.gradient)
    return free_of(x, gradient, low, high)


def _step(now: _Arrow, x, free: np.ndarray, shared: np.ndarray, damping: float, low, high) -> np.ndarray:
    """[T, K] to add: the damped Newton step within the bounds.

    What would leave them stops there, and the others are found anew, knowing it: were all just clipped, one picture's
    bound would spoil the step of all.
    """
    move, held = np.zeros_like(x), np.zeros_like(free)
    for _ in range(_MOST_ROUNDS):
        gradient = now.gradient + np.einsum("tij,tj->ti", now.hessian, move)
        step = _newton(gradient, now.hessian, free & ~held, shared, damping)
        wanted = x + step
        beyond = free & ~held & ((wanted < low) | (wanted > high))
        if not beyond.any():
            break
        move = np.where(beyond, np.clip(wanted, low, high) - x, move)
        held |= beyond
    return move + step


def _newton(gradient, hessian, free: np.ndarray, shared: np.ndarray, damping: float) -> np.ndarray:
    """[T, K] to add to the free unknowns, own blocks eliminated; 0 for the others."""
    common = np.flatnonzero(shared & free[0])
    schur = hessian[:, common[:, None], common].sum(0)
    schur = schur + np.diag(damping * np.maximum(np.diag(schur), 1e-12))
    right = gradient[:, common].sum(0)
    solved = []
    for slope, matrix, open_ in zip(gradient, hessian, free, strict=True):
        own = np.flatnonzero(open_ & ~shared)
        block = matrix[np.ix_(own, own)]
        block = block + np.diag(damping * np.maximum(np.diag(block), 1e-12))
        border = matrix[np.ix_(own, common)]
        both = np.linalg.solve(block, np.concatenate([slope[own, None], border], 1))
        right = right - border.T @ both[:, 0]
        schur = schur - border.T @ both[:, 1:]
        solved.append((own, both))
    moved = np.zeros_like(gradient)
    together = np.linalg.solve(schur, right)
    moved[:, common] = -together
    for row, (own, both) in zip(moved, solved, strict=True):
        row[own] = both[:, 1:] @ together - both[:, 0]
    return moved


def _covariance(hessians: np.ndarray, free: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """[T, K, K]: the inverse of the whole Hessian, as far as one problem and what is shared go."""
    common = np.flatnonzero(shared & free[0])
    schur = hessians[:, common[:, None], common].sum(0)
    parts = []
    for hessian, open_ in zip(hessians, free, strict=True):
        own = np.flatnonzero(open_ & ~shared)
        inverse = np.linalg.inv(hessian[np.ix_(own, own)])
        lever = inverse @ hessian[np.ix_(own, common)]
        schur = schur - hessian[np.ix_(own, common)].T @ lever
        parts.append((own, inverse, lever))
    together = np.linalg.inv(schur)
    covariance = np.zeros_like(hessians)
    for matrix, (own, inverse, lever) in zip(covariance, parts, strict=True):
        matrix[np.ix_(common, common)] = together
        matrix[np.ix_(own, common)] = -lever @ together
        matrix[np.ix_(common, own)] = -(lever @ together).T
        matrix[np.ix_(own, own)] = inverse + lever @ together @ lever.T
    return covariance
