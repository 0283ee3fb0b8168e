"""Features that lie where no identity of the head puts them."""

import numpy as np
import pytest

from recon.synthetic.features import FEATURES, MOST, random_features
from recon.synthetic.shots import Marks


@pytest.fixture(scope="module")
def drawn(head):
    marks = Marks(head.arrays).of(head.arrays.v_template)
    return np.stack([random_features(head.arrays, marks, np.random.default_rng(seed)) for seed in range(60)])


def test_features_fold_no_skin_and_move_no_farther_than_faces_differ(head, drawn):
    a, b = head.arrays.faces[:, :2].T
    apart = np.linalg.norm(head.arrays.v_template[a] - head.arrays.v_template[b], axis=1)
    strain = np.linalg.norm(drawn[:, a] - drawn[:, b], axis=-1) / apart
    farthest = np.linalg.norm(drawn, axis=-1).max(1)
    assert 0.002 < np.median(farthest) < 0.008 and farthest.max() < 0.016
    assert strain.max() < 0.75  # at 1 it could


def test_a_tip_goes_without_its_base_and_back_of_the_head_stays(head, drawn):
    rest = head.arrays.v_template
    marks = Marks(head.arrays).of(rest)
    tip, base = (drawn[:, np.linalg.norm(rest - marks[k], axis=1).argmin(), 1] for k in (4, 2))
    assert np.std(tip - base) > 0.001  # metres: of identities of the head it is less
    assert np.abs(drawn[:, rest[:, 2] < rest[:, 2].min() + 0.05]).max() < 1e-4
    assert MOST * max(max(f.sd_m) for f in FEATURES) < 0.004


def test_what_comes_in_pairs_goes_nearly_alike(head, drawn):
    across = np.abs(drawn[:, head.arrays.mirror] * [-1, 1, 1] - drawn).max((1, 2))
    farthest = np.linalg.norm(drawn, axis=-1).max(1)
    assert np.median(across / farthest) < 0.7
