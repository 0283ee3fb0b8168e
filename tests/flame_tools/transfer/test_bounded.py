import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from flame_tools.transfer.bounded import solve_bounded


def reference(rows, wanted, low, high, coherence):
    """The same problem written out as one dense least squares over all frames."""
    frames, k, n = rows.shape
    blocks, right = [], []
    for t in range(frames):
        block = np.zeros((k, frames * n))
        block[:, t * n : (t + 1) * n] = rows[t]
        blocks.append(block)
        right.append(wanted[t])
    for t in range(frames - 1):
        block = np.zeros((n, frames * n))
        block[:, t * n : (t + 1) * n] = -np.diag(np.sqrt(coherence))
        block[:, (t + 1) * n : (t + 2) * n] = np.diag(np.sqrt(coherence))
        blocks.append(block)
        right.append(np.zeros(n))
    found = lsq_linear(np.concatenate(blocks), np.concatenate(right), (low, high), method="bvls", tol=1e-14)
    return found.x.reshape(frames, n)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 9), st.floats(0, 30))
def test_it_finds_the_bounded_minimum(seed, frames, n, coherence):
    rng = np.random.default_rng(seed)
    rows, wanted = rng.normal(size=(frames, n + 6, n)), 3 * rng.normal(size=(frames, n + 6))
    weights = coherence * rng.random(n)
    hessian, linear = np.einsum("tki,tkj->tij", rows, rows), np.einsum("tki,tk->ti", rows, wanted)
    found = solve_bounded(hessian, linear, 0.0, 0.5, coherence=weights)
    assert found.min() >= 0 and found.max() <= 0.5
    np.testing.assert_allclose(found, reference(rows, wanted, 0, 0.5, weights), atol=1e-7)


def test_coherence_draws_frames_together():
    rng = np.random.default_rng(0)
    linear = rng.normal(size=(50, 3))
    hessian = np.broadcast_to(np.eye(3), (50, 3, 3))
    loose, held = (solve_bounded(hessian, linear, -9, 9, coherence=np.full(3, c)) for c in (0.0, 10.0))
    np.testing.assert_allclose(loose, linear, atol=1e-12)
    assert np.abs(np.diff(held, axis=0)).mean() < 0.2 * np.abs(np.diff(loose, axis=0)).mean()


@pytest.mark.parametrize("frames", [0, 1])
def test_none_and_one_frame(frames):
    found = solve_bounded(np.ones((frames, 1, 1)), np.ones((frames, 1)), 0, 9, coherence=np.ones(1))
    np.testing.assert_allclose(found, np.ones((frames, 1)))
