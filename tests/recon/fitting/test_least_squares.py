import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recon.fitting.arrow import solve
from recon.fitting.least_squares import Problem


def line(x_data, y_data, *, robust=False, low=-np.inf, high=np.inf, sd=np.inf, cauchy=3.0) -> Problem:
    """Fit y = a x + b."""

    def residuals(x, wants_jacobian):
        r = (x[0] * x_data + x[1] - y_data)[:, None]
        return r, np.stack([x_data, np.ones_like(x_data)], 1)[:, None] if wants_jacobian else None

    two = np.full(2, 1.0)
    return Problem(residuals, np.full(len(x_data), robust), np.zeros(2), sd * two, low * two, high * two, cauchy=cauchy)


@settings(max_examples=25)
@given(st.integers(0, 2**31))
def test_linear_least_squares_is_exact(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=30), rng.normal(size=30)
    found = solve(line(x, y), np.zeros(2), tolerance=1e-14)
    np.testing.assert_allclose(found.x[0], np.polyfit(x, y, 1), atol=1e-6)


def test_the_prior_pulls_by_its_precision():
    x = np.ones(1)
    found = solve(line(x, np.array([3.0]), sd=1.0), np.zeros(2), tolerance=1e-14)
    np.testing.assert_allclose(found.x[0], [1, 1], atol=1e-6)  # min (a + b - 3)^2 + a^2 + b^2


def test_bounds_hold_and_the_rest_is_optimal_given_them():
    x = np.linspace(-1, 1, 21)
    found = solve(line(x, 2 * x + 0.3, low=-1, high=1), np.zeros(2), tolerance=1e-14)
    np.testing.assert_allclose(found.x[0], [1, 0.3], atol=1e-6)
    assert found.free[0].tolist() == [False, True]


def test_outliers_lose_their_pull():
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 60)
    y = 0.5 * x + rng.normal(size=60) * 0.02
    y[::10] += 40
    squared, robust = (solve(line(x, y, robust=r, cauchy=0.5), np.zeros(2)).x[0] for r in (False, True))
    assert abs(squared[1]) > 2 > 0.05 > abs(robust[1])


def test_a_banana_is_walked_to_its_end():
    """Rosenbrock's function, the classic curved valley."""

    def residuals(x, wants_jacobian):
        r = np.array([[10 * (x[1] - x[0] ** 2)], [1 - x[0]]])
        return r, np.array([[[-20 * x[0], 10]], [[-1, 0]]]) if wants_jacobian else None

    free = np.full(2, np.inf)
    found = solve(
        Problem(residuals, np.zeros(2, bool), np.zeros(2), free, -free, free),
        np.array([-1.2, 1]),
        steps=200,
        tolerance=0,
    )
    np.testing.assert_allclose(found.x[0], [1, 1], atol=1e-6)
