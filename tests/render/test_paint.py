import numpy as np

from render.paint import _along, _noise
from render.paint_numba import around


def test_noise_is_smooth_has_unit_variance_and_goes_by_its_seed():
    at = np.random.default_rng(0).uniform(-0.1, 0.1, (20000, 3)).astype(np.float32)
    values, again, other = (_noise(at, np.random.default_rng(seed), 0.01) for seed in (3, 3, 4))
    np.testing.assert_array_equal(values, again)
    assert 0.8 < values.std() < 1.2 and abs(values.mean()) < 0.05
    assert abs(np.corrcoef(values, other)[0, 1]) < 0.05
    step = _noise(at + np.float32(1e-4), np.random.default_rng(3), 0.01) - values  # 0.01 cells along each axis
    assert np.abs(step).max() < 0.2
    flat = _noise(at[:, :2], np.random.default_rng(3), 0.01)
    assert 0.8 < flat.std() < 1.2


def test_the_nearest_place_of_a_line_is_no_farther_than_any_that_is_tried():
    rng = np.random.default_rng(1)
    line = np.cumsum(rng.normal(size=(5, 3)) * 0.005, 0).astype(np.float32)
    at = (line[rng.integers(5, size=300)] + rng.normal(size=(300, 3)) * 0.003).astype(np.float32)
    away, share = _along(at, line)
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    ends = np.r_[0, lengths.cumsum()] / lengths.sum()

    def place(shares):
        return np.stack([np.interp(shares, ends, column) for column in line.T], -1)

    tried = np.linalg.norm(at[:, None] - place(np.linspace(0, 1, 2001)), axis=2).min(1)
    np.testing.assert_allclose(away, tried, atol=1e-5)  # steps of some 15 um along the line
    np.testing.assert_allclose(np.linalg.norm(at - place(share), axis=1), away, atol=1e-6)
    far, _ = _along(at + np.float32(1), line)
    assert np.isinf(far).all()


def test_a_box_holds_what_lies_within():
    at = np.random.default_rng(2).random((500, 3)).astype(np.float32)
    low, high = np.array([0.2, 0.1, 0.4], np.float32), np.array([0.6, 0.9, 0.8], np.float32)
    np.testing.assert_array_equal(around(at, low, high), np.flatnonzero(((at > low) & (at < high)).all(1)))
