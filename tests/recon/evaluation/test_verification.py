"""Verification by known answers."""

import numpy as np
import pytest

from flame_tools.errors import InputError
from recon.evaluation.verification import verification


def test_known_answers():
    apart = verification(np.array([0.9, 0.8]), np.array([0.1, 0.2, 0.3]))
    assert (apart.auc, apart.accuracy) == (1.0, 1.0) and 0.3 < apart.threshold <= 0.8
    backward = verification(np.array([0.1]), np.array([0.9]))
    assert backward.auc == 0 and backward.accuracy <= 0.5
    blind = verification(np.full(4, 0.5), np.full(6, 0.5))
    assert blind.auc == 0.5
    half = verification(np.array([0.2, 0.9]), np.array([0.1, 0.8]))
    assert half.auc == 0.75 and half.accuracy == 0.5


def test_normal_scores():
    """Two normals d apart: AUC is Phi(d / sqrt 2), the accuracy Phi(d / 2)."""
    rng = np.random.default_rng(0)
    found = verification(rng.normal(2, 1, 20_000), rng.normal(0, 1, 30_000))
    assert found.auc == pytest.approx(0.9214, abs=0.005) and found.accuracy == pytest.approx(0.8413, abs=0.006)
    assert found.threshold == pytest.approx(1, abs=0.05)


def test_nothing_to_compare():
    with pytest.raises(InputError, match="0 pairs of one person"):
        verification(np.array([]), np.array([0.1]))
