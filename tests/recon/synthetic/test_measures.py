"""The measures on cases whose answers are known."""

import numpy as np
import pytest
import torch

from benchmarks.recon_comparison import Comparison
from flame_tools.errors import ShapeError
from recon.fitting.rotation import rotation_matrix
from recon.synthetic.expressions import EXPRESSIONS, posed
from recon.synthetic.measures import coverage, displacement_correlation, gain
from recon.synthetic.pictures import true_of


@pytest.fixture(scope="module")
def compared(head):
    """The head against itself: every place is known exactly."""
    return Comparison(head.arrays, head.arrays)


@pytest.fixture
def exact(head, model, someone):
    """The unknowns of a fit that is right, of `someone` shouting."""
    params = posed(EXPRESSIONS[6], head, someone.shape)
    unknowns = np.zeros(model.layout.size)
    lay = model.layout
    unknowns[lay.shape], unknowns[lay.expression] = params.shape, params.expression
    unknowns[lay.jaw] = params.jaw[:2]
    unknowns[lay.eyes] = params.eyes[:, :2].reshape(4)
    unknowns[lay.eyelids] = params.eyelids
    unknowns[lay.rotation], unknowns[lay.translation] = (0.1, 0.5, 0.0), (0.0, 0.1, -0.8)
    return unknowns


def test_a_perfect_fit_gains_one_and_the_mean_face_nothing(head, compared, someone, exact, scene):
    truth = true_of(head, someone, EXPRESSIONS[6], scene)
    mean = compared.neutral_errors(compared.mean, truth.neutral)
    perfect = compared.neutral_errors(compared.placed(exact).neutral, truth.neutral)
    for kind in ("similarity", "rigid"):
        assert mean[kind] > 0.5  # millimetres: there is something to gain
        assert gain([perfect[kind]], [mean[kind]]) > 0.999
        assert gain([mean[kind]], [mean[kind]]) == 0
    assert mean["rigid"] > mean["similarity"]


def test_alignment_undoes_place_and_size(head, compared, someone, scene):
    truth = true_of(head, someone, EXPRESSIONS[0], scene)
    turn = rotation_matrix(np.array([0.3, -1.0, 0.2]))
    moved = 1.1 * compared.places(truth.neutral) @ turn.T + (0.1, 0.2, 0.3)
    errors = compared.neutral_errors(moved, truth.neutral)
    assert errors["similarity"] < 1e-6
    assert errors["rigid"] > 1.0  # a tenth too large is far off


def test_the_bound_is_near_one_where_identities_can_say_the_face(head, compared, someone, scene):
    neutral = true_of(head, someone, EXPRESSIONS[0], scene).neutral
    mean = compared.neutral_errors(compared.mean, neutral)
    for kind in ("similarity", "rigid"):
        best = compared.neutral_errors(compared.best_neutral(neutral, kind=kind), neutral)
        assert gain([best[kind]], [mean[kind]]) > 0.9


def test_a_perfect_fit_moves_as_the_truth_does(head, compared, someone, exact, scene):
    truth = true_of(head, someone, EXPRESSIONS[6], scene)
    placed = compared.placed(exact)
    true = compared.displacement(truth)
    weights = np.linalg.norm(true, axis=1)
    found = placed.expressed - placed.neutral
    assert displacement_correlation(found, true, weights) > 0.9999
    assert np.abs(found - true).max() < 1e-5
    errors, spread = compared.errors_and_covariance(placed, truth, np.full(len(exact), 1e-2))
    assert np.abs(errors).max() < 1e-5
    assert spread.shape == (len(compared.vertices), 3, 3) and (np.einsum("nii->ni", spread) > 0).all()


def test_correlation_on_small_cases():
    rng = np.random.default_rng(0)
    true, weights = rng.normal(size=(50, 3)), np.r_[np.ones(40), np.zeros(10)]
    assert displacement_correlation(3 * true + 0.1, true, weights) == pytest.approx(1)
    assert displacement_correlation(-true, true, weights) == pytest.approx(-1)
    assert displacement_correlation(np.zeros_like(true), true, weights) == 0
    spoilt = np.where(weights[:, None] > 0, true, 100.0)  # where nothing counts
    assert displacement_correlation(spoilt, true, weights) == pytest.approx(1)
    noisy = true + rng.normal(size=true.shape)
    assert displacement_correlation(noisy, true, np.ones(50)) == pytest.approx(
        np.corrcoef(noisy.ravel(), true.ravel())[0, 1]
    )
    with pytest.raises(ShapeError, match=r"\[49\]"):
        displacement_correlation(true, true, np.ones(49))


def test_gain_counts_all_errors_together():
    assert gain([1.0, 1.0], [2.0, 2.0]) == 0.5
    assert gain([3.0, 1.0], [1.0, 1.0]) == -1
    with pytest.raises(ShapeError, match=r"\[2\]"):
        gain([1.0, 2.0], [1.0])


def test_coverage_of_right_and_of_overconfident_intervals():
    torch.manual_seed(0)
    errors = torch.randn(20000).numpy() * 3
    assert coverage(errors, np.full(20000, 3.0)) == pytest.approx((0.68, 0.95), abs=0.01)
    assert coverage(errors, np.full(20000, 1.0))[1] < 0.55
    assert coverage(np.zeros(3), np.zeros(3)) == (1, 1)
