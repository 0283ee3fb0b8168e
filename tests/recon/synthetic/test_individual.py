"""What parts made people from those whom the head can say."""

import numpy as np
import pytest
import torch

from flame_tools.arkit import INDEX, to_params
from recon.synthetic.individual import random_bumps, random_manner, turn_tongue
from recon.synthetic.shots import Marks


@pytest.fixture(scope="module")
def marks(head):
    return Marks(head.arrays)


def test_a_manner_changes_motions_and_nothing_else(head, marks):
    arrays = head.arrays
    manner = random_manner(arrays, marks, np.random.default_rng(3))
    assert not manner(np.zeros_like(arrays.v_template)).any()
    smile = np.asarray(arrays.expressiondirs[..., arrays.expression_names.index("mouthSmileLeft")], np.float64)
    moved = manner(smile)
    share = np.linalg.norm(moved - smile) / np.linalg.norm(smile)
    assert 0.02 < share < 0.8
    np.testing.assert_allclose(manner(2 * smile), 2 * moved, atol=1e-12)
    assert not moved[~smile.any(1)].any()  # what an expression leaves alone stays
    np.testing.assert_array_equal(moved, random_manner(arrays, marks, np.random.default_rng(3))(smile))


def test_lids_go_where_eyes_are(head, marks):
    arrays = head.arrays
    manner = random_manner(arrays, marks, np.random.default_rng(4))
    down = np.zeros((len(arrays.v_template), 3))
    down[:, 1] = -0.01
    near = np.linalg.norm(arrays.v_template - marks.of(arrays.v_template, "iris")[0], axis=1) < 0.008
    assert near.any() and np.abs(manner(down) - down)[near].max() < 0.3 * np.abs(manner(down) - down).max()


def test_bumps_are_smooth(head):
    arrays = head.arrays
    bumps = random_bumps(arrays, np.random.default_rng(5))
    highest, (a, b) = np.linalg.norm(bumps, axis=1).max(), arrays.faces[:, :2].T
    assert 1e-4 < highest < 0.02
    step = np.linalg.norm(bumps[a] - bumps[b], axis=1)[
        np.linalg.norm(arrays.v_template[a] - arrays.v_template[b], axis=1) < 0.005
    ]
    assert step.max() < 0.4 * highest


@pytest.mark.parametrize("seed", range(3))
def test_a_tongue_leans_only_where_it_is_out(head, seed):
    arrays = head.arrays
    weights = torch.zeros(2, 52, dtype=head.v_template.dtype)
    weights[:, INDEX["jawOpen"]] = 0.3
    weights[1, INDEX["tongueOut"]] = 1.0
    with torch.no_grad():
        posed = head.vertices(to_params(weights, head)).numpy().astype(np.float64)
    for vertices, out in zip(posed, (False, True), strict=True):
        before = vertices.copy()
        turn_tongue(vertices, arrays, np.random.default_rng(seed))
        moved = np.linalg.norm(vertices - before, axis=1)
        assert not np.delete(moved, arrays.regions["tongue"]).any()
        lips = before[arrays.inner_lip_pairs[:, 1], 2].max()
        assert not moved[before[:, 2] < lips - 0.009].any()  # what is behind the teeth stays
        assert (moved.max() > 0.002) == out
