"""The making of the identity space and of the landmarks, on small made-up data."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tools.head.identity import _align, _components, _directions, _parts, _reflect
from tools.head.people import Attributes
from tools.head.surface import closest_barycentrics, nearest_on_mesh


@pytest.fixture
def crowd():
    """400 people of 12 vertices with a known mirror, deviations of unequal strength."""
    random = np.random.default_rng(0)
    mirror = np.array([6, 7, 8, 9, 4, 5, 0, 1, 2, 3, 10, 11])
    modes = random.normal(size=(8, 12, 3)) * np.array([4, 3, 2, 1, 0.8, 0.5, 0.3, 0.2])[:, None, None]
    deltas = np.tensordot(random.normal(size=(400, 8)), modes, 1)
    weights = random.random(12)
    weights = weights + weights[mirror]
    return deltas - deltas.mean(0), mirror, weights / weights.sum()


def test_components_have_unit_sd_are_orthogonal_and_even_or_odd(crowd):
    deltas, mirror, weights = crowd
    even, odd = _parts(deltas, mirror)
    dirs, scores, variances, parity, total = _components(even, odd, weights, 16)
    np.testing.assert_allclose((scores**2).mean(0), 1.0, atol=1e-9)
    flat = (dirs * np.sqrt(weights)[:, None, None]).reshape(36, -1)
    gram = flat.T @ flat
    np.testing.assert_allclose(gram, np.diag(variances), atol=1e-9 * variances.max())
    assert (np.diff(variances) <= 1e-12).all()
    assert variances.sum() == pytest.approx(total, rel=1e-9)  # 16 of 8 even and 8 odd modes: all of it
    for k, sign in enumerate(parity):
        np.testing.assert_allclose(_reflect(dirs[None, ..., k], mirror)[0], sign * dirs[..., k], atol=1e-9)


def test_components_give_the_people_back(crowd):
    deltas, mirror, weights = crowd
    even, odd = _parts(deltas, mirror)
    dirs, scores, _, parity, _ = _components(even, odd, weights, 16)
    np.testing.assert_allclose(np.tensordot(scores[:, parity > 0], dirs[..., parity > 0], (1, 2)), even, atol=1e-7)
    np.testing.assert_allclose(np.tensordot(scores[:, parity < 0], dirs[..., parity < 0], (1, 2)), odd, atol=1e-7)


def test_alignment_removes_rotation_and_keeps_size():
    random = np.random.default_rng(1)
    target = random.normal(size=(20, 3))
    weights = np.full(20, 1 / 20)
    turn = Rotation.from_rotvec([0.3, -0.2, 0.1]).as_matrix()
    person = 1.1 * target @ turn.T + [1.0, 2.0, 3.0]
    aligned = _align(person[None], target, weights)[0]
    difference = aligned - 1.1 * target
    np.testing.assert_allclose(difference - difference.mean(0), 0.0, atol=1e-9)


def test_directions_recover_planted_effects():
    random = np.random.default_rng(2)
    people, size = 4000, 10
    who = Attributes(
        random.dirichlet([1.0] * 3, people), random.random(people), random.uniform(10, 80, people),
        random.random(people), random.random(people),
    )  # fmt: skip
    effects = random.normal(size=(6, size))
    scores = (who.ancestry - 1 / 3) @ (effects[:3] - effects[:3].mean(0)) + np.outer(who.male - 0.5, effects[3])
    scores += np.outer(np.maximum(who.age_years - 25, 0) / 20, effects[4]) + np.outer(who.weight, effects[5])
    scores += random.normal(size=scores.shape) * 0.1
    found = _directions(scores, who, np.ones(size))
    np.testing.assert_allclose(found["sex"], 0.5 * effects[3], atol=0.05)
    np.testing.assert_allclose(found["age"], effects[4], atol=0.05)
    np.testing.assert_allclose(found["weight"], 0.5 * effects[5], atol=0.05)
    for row, name in enumerate(("african", "asian", "european")):
        np.testing.assert_allclose(found[f"ancestry_{name}"], effects[row] - effects[:3].mean(0), atol=0.05)


def test_nearest_place_is_the_nearest():
    random = np.random.default_rng(3)
    vertices = random.normal(size=(30, 3))
    faces = np.stack([random.permutation(30)[:3] for _ in range(40)])
    points = random.normal(size=(25, 3))
    places = nearest_on_mesh(points, vertices, faces, np.arange(40), candidates=40)
    assert places.barycentrics.min() >= -1e-12
    np.testing.assert_allclose(places.barycentrics.sum(1), 1.0, atol=1e-12)
    grid = random.dirichlet([1.0] * 3, 400)
    tried = np.einsum("gc,fcd->fgd", grid, vertices[faces]).reshape(-1, 3)
    brute = np.linalg.norm(points[:, None] - tried, axis=-1).min(1)
    assert (np.linalg.norm(points - places.points, axis=1) <= brute + 1e-12).all()


def test_nearest_place_on_a_triangle_at_corners_edges_and_inside():
    triangle = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    points = np.array([[-1.0, -1.0, 0.0], [0.5, -1.0, 2.0], [0.25, 0.25, 3.0], [1.0, 1.0, 0.0]])
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.25, 0.25], [0, 0.5, 0.5]]
    np.testing.assert_allclose(closest_barycentrics(points, np.tile(triangle, (4, 1, 1))), expected, atol=1e-12)
