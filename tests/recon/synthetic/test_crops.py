"""What parts made people from those whom the head can say."""

import numpy as np
import pytest

from recon.synthetic.crops import Marks, random_bumps, random_manner


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
