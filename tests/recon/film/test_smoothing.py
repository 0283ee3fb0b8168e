import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon.film.smoothing import COAST_S, acceleration_density, follow_on, predict, smooth_stretches, update


def smooth(times, values, variance, density):
    """All frames as one span."""
    ((_, found),) = smooth_stretches(times, [slice(0, len(times))], lambda _: (values, variance), density)
    return found


def waves(times, hz):
    return np.stack([np.sin(2 * np.pi * f * times + f) for f in hz], 1)


@pytest.mark.parametrize("fps", [12, 24, 60])
def test_its_response_is_the_spline_s_at_any_rate(fps):
    """1 / (1 + (f / cutoff)^4), well below the frames' own limit, away from the ends."""
    hz, times = np.array([0.5, 1.0, 2.0, 3.0]), np.arange(0, 20, 1 / fps)
    values, variance = waves(times, hz), np.full((len(times), 4), 0.01)
    density = acceleration_density(variance[0], 1 / fps, np.full(4, 3.0))
    found = smooth(times, values, variance, density).mean
    inside = (times > 4) & (times < 16)
    kept = (found * values)[inside].sum(0) / (values**2)[inside].sum(0)
    np.testing.assert_allclose(kept, 1 / (1 + (hz / 3.0) ** 4), atol=0.035 if fps == 12 else 0.012)


def test_films_of_24_and_60_frames_give_one_motion():
    hz = np.array([0.7, 1.5, 2.5])
    curves = {}
    for fps in (24, 60):
        times = np.arange(0, 10, 1 / fps)
        variance = np.full((len(times), 3), 0.002 * fps)  # the same noise a second
        density = acceleration_density(variance[0], 1 / fps, np.full(3, 4.0))
        curves[fps] = times, smooth(times, waves(times, hz), variance, density).mean
    at = np.linspace(1, 9, 200)
    a, b = (np.stack([np.interp(at, t, v[:, k]) for k in range(3)], 1) for t, v in curves.values())
    assert np.sqrt(((a - b) ** 2).mean() / (b**2).mean()) < 0.02


def test_noise_goes_motion_stays():
    rng = np.random.default_rng(0)
    times = np.arange(0, 20, 1 / 60)
    truth = waves(times, np.array([1.0]))
    noisy = truth + 0.05 * rng.normal(size=truth.shape)
    variance = np.full(truth.shape, 0.05**2)
    found = smooth(times, noisy, variance, acceleration_density(variance[0], 1 / 60, np.array([4.0])))
    off = found.mean - truth
    assert np.sqrt((off**2).mean()) < 0.5 * 0.05
    inside = (np.abs(off) < np.sqrt(found.variance)).mean()
    assert 0.6 < inside < 0.95  # its own standard deviation is of the right size
    assert abs(np.abs(found.mean[100:-100]).max() - 1) < 0.05


def test_what_is_missing_is_bridged_and_less_sure():
    times = np.arange(0, 6, 1 / 30)
    values = waves(times, np.array([0.4]))
    variance = np.full(values.shape, 1e-4)
    gap = (times > 2) & (times < 2.4)
    variance[gap] = np.inf
    holed = np.where(gap[:, None], np.nan, values)
    density = acceleration_density(np.array([1e-4]), 1 / 30, np.array([4.0]))
    found = smooth(times, holed, variance, density)
    assert np.abs(found.mean - values)[gap].max() < 0.03
    assert found.variance[gap].max() > 10 * found.variance[~gap][10:-10].max()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_it_is_the_least_squares_answer(seed):
    """Against one large solve of the same Gaussian problem: uneven times, uneven trust."""
    rng = np.random.default_rng(seed)
    n = 12
    times = np.cumsum(rng.uniform(0.01, 0.2, n))
    values, variance = rng.normal(size=(n, 1)), rng.uniform(0.1, 2.0, (n, 1))
    density = np.array([rng.uniform(0.5, 50)])
    rows, right = [], []
    for i in range(n):
        row = np.zeros(2 * n)
        row[2 * i] = 1
        rows.append(row / np.sqrt(variance[i, 0]))
        right.append(values[i, 0] / np.sqrt(variance[i, 0]))
    for i in range(n - 1):
        t = times[i + 1] - times[i]
        noise = density[0] * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]])
        root = np.linalg.inv(np.linalg.cholesky(noise))
        step = np.zeros((2, 2 * n))
        step[:, 2 * i : 2 * i + 2] = -np.array([[1, t], [0, 1]])
        step[:, 2 * i + 2 : 2 * i + 4] = np.eye(2)
        rows.extend(root @ step)
        right.extend([0, 0])
    matrix = np.stack(rows)
    wanted = np.linalg.lstsq(matrix, np.array(right), rcond=None)[0][::2]
    found = smooth(times, values, variance, density)
    np.testing.assert_allclose(found.mean[:, 0], wanted, atol=2e-3)
    spread = np.diag(np.linalg.inv(matrix.T @ matrix))[::2]
    np.testing.assert_allclose(found.variance[:, 0], spread, rtol=2e-2)


def test_the_causal_filter_ends_where_the_smoother_does():
    times = np.arange(0, 3, 1 / 30)
    values, variance = waves(times, np.array([0.5, 1.0])), np.full((len(times), 2), 0.01)
    density = acceleration_density(variance[0], 1 / 30, np.array([4.0, 4.0]))
    state = None
    for i, t in enumerate(times):
        before = None if state is None else predict(state, t, density)
        state = update(before, t, values[i], variance[i])
    np.testing.assert_allclose(state.mean[0], smooth(times, values, variance, density).mean[-1])


def test_stretches_give_the_same_bits_as_the_whole():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.01, 0.06, 70))
    values, variance = rng.normal(size=(70, 3)), rng.uniform(0.01, 0.1, (70, 3))
    variance[30:45] = np.inf
    density = acceleration_density(np.full(3, 0.05), 0.04, np.full(3, 4.0))
    whole = smooth(times, values, variance, density)
    spans = [slice(0, 1), slice(1, 33), slice(33, 40), slice(40, 70)]
    seen = []
    for i, part in smooth_stretches(times, spans, lambda i: (values[spans[i]], variance[spans[i]]), density):
        np.testing.assert_array_equal(part.mean, whole.mean[spans[i]])
        np.testing.assert_array_equal(part.variance, whole.variance[spans[i]])
        seen.append(i)
    assert seen == [3, 2, 1, 0]


def test_what_is_not_seen_comes_to_rest_for_who_cannot_look_ahead():
    density, state = np.full(1, 50.0), None
    for k in range(40):  # one unit a second
        state = follow_on(state, k / 40, np.array([k / 40]), np.full(1, 1e-4), density)
    speed = state.mean[1, 0]
    assert speed == pytest.approx(1, abs=0.05)
    for k in range(40, 120):
        state = follow_on(state, k / 40, np.full(1, np.nan), np.full(1, np.inf), density)
    assert abs(state.mean[1, 0]) < 1e-4 and 0.975 < state.mean[0, 0] < 0.975 + 1.2 * COAST_S
