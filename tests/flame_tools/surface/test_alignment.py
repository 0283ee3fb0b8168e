"""Rigid, similar and affine maps from paired points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from flame_tools.errors import ShapeError
from flame_tools.surface.alignment import align


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["rigid", "similarity"]))
def test_recovers_what_moved_the_points(seed, kind):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rng.integers(4, 30), 3))
    scale = 1.0 if kind == "rigid" else rng.uniform(0.1, 10)
    rotation, shift = Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3)
    targets = scale * points @ rotation.T + shift
    found = align(points, targets, kind=kind)
    np.testing.assert_allclose(found(points), targets, atol=1e-9)
    assert found.scale == pytest.approx(scale)
    np.testing.assert_allclose(found.inverse()(targets), points, atol=1e-8)


def test_affine_recovers_stretch_nearly_and_keeps_flat_points_thick():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 3))
    targets = points * [1.0, 1.5, 0.8]
    assert np.abs(align(points, targets, kind="affine")(points) - targets).max() < 0.02
    flat = points * [1, 1, 1e-9]
    assert align(flat, 2 * flat, kind="affine").linear[2, 2] == pytest.approx(2.0)


def test_never_mirrors_and_weighs():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(20, 3))
    assert np.linalg.det(align(points, points * [-1, 1, 1], kind="rigid").linear) == pytest.approx(1.0)
    wrong = points.copy()
    wrong[0] += 100
    trust = np.ones(20)
    trust[0] = 0
    np.testing.assert_allclose(align(points, wrong, weights=trust).linear, np.eye(3), atol=1e-9)


def test_refusals():
    with pytest.raises(ShapeError, match="at least 4 pairs"):
        align(np.zeros((3, 3)), np.zeros((3, 3)), kind="affine")
    with pytest.raises(ShapeError, match="'nearly'"):
        align(np.zeros((5, 3)), np.zeros((5, 3)), kind="nearly")
