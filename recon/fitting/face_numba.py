"""The fast twin of `arrow.solve` for one face: Levenberg-Marquardt within bounds in one kernel, no GIL."""

from __future__ import annotations

import math

import numpy as np
from numba import boolean, float64, int64, types, void

from flame_tools.compiled import kernel
from recon.fitting.landmark_numba import INNER, TARGETS, TERMS, residuals_of

_MOST_ROUNDS = 6  # as in recon.fitting.arrow
_V, _M, _A3, _B = float64[::1], float64[:, ::1], float64[:, :, ::1], boolean[::1]
PRIOR = types.UniTuple(_V, 4)  # mean, precision (0 where nothing is known), lowest and highest value [K]


@kernel(float64(TERMS, TARGETS, PRIOR, float64, _V, _A3, _V, _M), **INNER)
def _expand(terms, targets, prior, cauchy, x, jacobian, gradient, hessian):
    """The cost at x [K], and gradient and Gauss-Newton Hessian of half of it unless `jacobian` is empty.

    `jacobian` [R + P + 3 + S, 2, K] is space to work in.
    """
    mean, precision, _, _ = prior
    robust, unknowns = len(targets.rows) + len(targets.upper), len(x)
    count = robust + 3 + len(targets.left)
    r = np.empty((count, 2))
    residuals_of(terms, targets, x, r, jacobian)
    cost, c2 = 0.0, cauchy * cauchy
    for n in range(count):
        squared = r[n, 0] * r[n, 0] + r[n, 1] * r[n, 1]
        if n >= robust:
            cost += squared
            continue
        cost += c2 * math.log1p(squared / c2)
        root = math.sqrt(1 / (1 + squared / c2))  # of rho'
        for c in range(2):
            r[n, c] *= root
            if len(jacobian):
                for k in range(unknowns):
                    jacobian[n, c, k] *= root
    for k in range(unknowns):
        cost += (x[k] - mean[k]) ** 2 * precision[k]
    if len(jacobian):
        flat = jacobian.reshape(2 * count, unknowns)
        np.dot(flat.T, flat, hessian)
        np.dot(flat.T, r.reshape(2 * count), gradient)
        for k in range(unknowns):
            gradient[k] += precision[k] * (x[k] - mean[k])
            hessian[k, k] += precision[k]
    return cost


@kernel(int64(_M, _B, float64, _M, int64[::1]), **INNER)
def _factor(hessian, open_, damping, lower, ids):
    """Cholesky's factor `lower` of the damped Hessian of the open unknowns, whose numbers go into `ids`; how many."""
    size = 0
    for k in range(len(open_)):
        if open_[k]:
            ids[size] = k
            size += 1
    for i in range(size):
        for j in range(i + 1):
            total = hessian[ids[i], ids[j]]
            if i == j:
                total += damping * max(total, 1e-12)
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            lower[i, j] = math.sqrt(max(total, 1e-300)) if i == j else total / lower[j, j]
    return size


@kernel(void(_M, _V, _B, float64, _V, _V, _V, _M, int64[::1], _V), **INNER)
def _step(hessian, gradient, free, damping, x, low, high, lower, ids, step):
    """What to add to x: the damped Newton step; unknowns that would leave their bounds stop there, the others know."""
    unknowns = len(x)
    move, slope = np.zeros(unknowns), np.empty(unknowns)
    open_ = free.copy()
    for _ in range(_MOST_ROUNDS):
        size = _factor(hessian, open_, damping, lower, ids)
        for i in range(size):
            total = gradient[ids[i]]
            for k in range(unknowns):
                total += hessian[ids[i], k] * move[k]
            for k in range(i):
                total -= lower[i, k] * slope[k]
            slope[i] = total / lower[i, i]
        for i in range(size - 1, -1, -1):
            total = slope[i]
            for k in range(i + 1, size):
                total -= lower[k, i] * slope[k]
            slope[i] = total / lower[i, i]
        for k in range(unknowns):
            step[k] = 0.0
        beyond = False
        for i in range(size):
            k = ids[i]
            step[k] = -slope[i]
            wanted = x[k] + step[k]
            if wanted < low[k] or wanted > high[k]:
                move[k] = min(max(wanted, low[k]), high[k]) - x[k]
                open_[k], beyond = False, True
        if not beyond:
            break
    for k in range(unknowns):
        step[k] += move[k]


@kernel(void(_V, _V, _V, _V, _B, _B), **INNER)
def _free_of(x, gradient, low, high, active, free):
    """Active unknowns that no bound holds back."""
    for k in range(len(x)):
        stuck = (x[k] <= low[k] and gradient[k] > 0) or (x[k] >= high[k] and gradient[k] < 0) or low[k] == high[k]
        free[k] = active[k] and not stuck


@kernel(types.Tuple((_V, _V, float64, int64))(TERMS, TARGETS, PRIOR, float64, _B, _V, int64, float64))
def solve_face(terms, targets, prior, cauchy, active, start, steps, tolerance):
    """From `start` [K]: unknowns, their variance (0 where a bound holds, or not active), cost, steps taken.

    The other arguments are those of `recon.fitting.arrow.solve` and of its `Problem`.
    """
    _, _, low, high = prior
    unknowns, count = len(start), len(targets.rows) + len(targets.upper) + 3 + len(targets.left)
    jacobian, none = np.empty((count, 2, unknowns)), np.empty((0, 2, unknowns))
    gradient, hessian, step = np.empty(unknowns), np.empty((unknowns, unknowns)), np.empty(unknowns)
    lower, ids, free = np.zeros((unknowns, unknowns)), np.empty(unknowns, np.int64), np.empty(unknowns, np.bool_)
    x, trial = np.empty(unknowns), np.empty(unknowns)
    for k in range(unknowns):
        x[k] = min(max(start[k], low[k]), high[k])
    now = _expand(terms, targets, prior, cauchy, x, jacobian, gradient, hessian)
    damping, taken = 1e-3, 0
    while taken < steps:
        taken += 1
        _free_of(x, gradient, low, high, active, free)
        improved, cost = False, now
        while damping < 1e8 and not improved:
            _step(hessian, gradient, free, damping, x, low, high, lower, ids, step)
            for k in range(unknowns):
                trial[k] = min(max(x[k] + step[k], low[k]), high[k])
            cost = _expand(terms, targets, prior, cauchy, trial, none, gradient, hessian)
            improved = cost < now
            damping = max(damping / 5, 1e-9) if improved else damping * 4
        if not improved:
            break
        gain = now - cost
        for k in range(unknowns):
            x[k] = trial[k]
        now = _expand(terms, targets, prior, cauchy, x, jacobian, gradient, hessian)
        if gain < tolerance * now:
            break
    _free_of(x, gradient, low, high, active, free)
    size = _factor(hessian, free, 0.0, lower, ids)
    variance, column = np.zeros(unknowns), np.empty(unknowns)
    for i in range(size):  # the inverse is the factor's inverse, transposed, times itself
        for j in range(i, size):
            total = 1.0 if i == j else 0.0
            for k in range(i, j):
                total -= lower[j, k] * column[k]
            column[j] = total / lower[j, j]
            variance[ids[i]] += column[j] * column[j]
    return x, variance, now, taken
