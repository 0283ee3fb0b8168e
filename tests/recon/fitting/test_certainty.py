import dataclasses

import numpy as np
import pytest

from flame_tools.errors import InputError, ShapeError
from flame_tools.surface.alignment import align
from recon.fitting.arrow import solve
from recon.fitting.certainty import BEYOND_M, face_model, place_covariance, vertex_std, widened
from recon.fitting.fit import fit
from recon.fitting.observation import FitOptions
from recon.fitting.residuals import landmark_problem
from recon.synthetic.measures import coverage

from .test_fit import photographed


@pytest.mark.parametrize("aligned", [None, "rigid", "similarity"])
def test_covariance_of_places_is_that_of_many_draws(aligned):
    rng = np.random.default_rng(0)
    places, jacobian = rng.normal(size=(12, 3)), rng.normal(size=(12, 3, 5))
    sd = rng.uniform(0.5, 2, 5) * 1e-3
    draws = places + np.einsum("nck,dk->dnc", jacobian, rng.normal(size=(2000, 5)) * sd)
    if aligned:
        draws = np.stack([align(draw, places, kind=aligned)(draw) for draw in draws])
    seen = np.einsum("dna,dnb->nab", draws - places, draws - places) / len(draws)
    told = place_covariance(jacobian, sd, places, aligned=aligned, beyond=0.0)
    assert np.abs(told - seen).max() < 0.12 * np.abs(seen).max()  # 2000 draws: 3 % of a variance is one SD
    more = place_covariance(jacobian, sd, places, aligned=aligned)
    np.testing.assert_allclose(more, told + BEYOND_M**2 * np.eye(3))
    with pytest.raises(ShapeError, match=r"\[5\]"):
        place_covariance(jacobian, np.ones(4), places)


def test_faces_of_the_head_itself_lie_within_the_intervals(head, model):
    """People whom the identities can say: the intervals, widened for others, hold more than their share."""
    face, shares = face_model(head.arrays), []
    for seed in range(4):
        x, seen = photographed(head, model, seed, noise_px=2)
        found = fit(head.arrays, model, seen)
        true, ours = (np.where(np.arange(len(x)) < model.layout.rotation.start, u, 0.0) for u in (x, found.unknowns))
        places, jacobian = face.points_and_jacobian(ours)
        true = face.points(true)
        errors = places - align(true, places, kind="rigid")(true)
        spread = np.einsum("nii->ni", place_covariance(jacobian, found.sd, places))
        shares.append(coverage(errors, np.sqrt(spread)))
    within68, within95 = np.mean(shares, axis=0)
    assert 0.7 < within68 <= 1 and 0.95 < within95 <= 1


def test_the_track_of_a_photo_says_how_sure_each_vertex_is(person, head):
    sd = vertex_std(person, head)
    face = head.arrays.regions["face"]
    assert sd.shape == (len(head.arrays.v_template), 3)
    assert np.isfinite(sd[face]).all() and np.isnan(np.delete(sd, face, axis=0)).all()
    assert BEYOND_M < np.sqrt((sd[face] ** 2).mean()) < 0.005
    turned = person.params.replace(global_rotation=person.params.global_rotation + 0.3)
    np.testing.assert_array_equal(vertex_std(dataclasses.replace(person, params=turned), head), sd)
    with pytest.raises(InputError, match="no standard deviations"):
        vertex_std(dataclasses.replace(person, std=None), head)
    with pytest.raises(InputError, match="'other'"):
        vertex_std(dataclasses.replace(person, head_id="other"), head)


def test_what_landmarks_tell_counts_a_quarter():
    sd, usual = np.array([1e-4, 0.5, 1.0, 0.2, 0.0]), np.array([1.0, 1.0, 1.0, np.inf, 1.0])
    told = widened(sd, usual)
    np.testing.assert_allclose(told[[0, 2, 3, 4]], [2e-4, 1.0, 0.4, 0.0], rtol=1e-6)
    assert told[1] == pytest.approx((3 / 4 + 1) ** -0.5)  # 4 of precision, of which the prior gives 1


def test_a_fit_says_what_the_whole_problem_says_widened(head, model):
    _, seen = photographed(head, model, 3)
    found = fit(head.arrays, model, seen)
    problem, _ = landmark_problem(head.arrays, model, seen, found.unknowns, FitOptions())
    solution = solve(problem, found.unknowns, steps=1)
    plain = np.sqrt(np.diag(solution.covariance()[0]))
    np.testing.assert_allclose(found.sd, widened(plain, problem.sd), rtol=0.05, atol=1e-9)
    free = found.sd > 0
    assert (found.sd[free] > 0.999 * plain[free]).all() and np.median(found.sd[free] / plain[free]) > 1.05
