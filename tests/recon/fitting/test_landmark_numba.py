"""The kernels that fit a face are their plain definitions, and what they find does not depend on the threads."""

import dataclasses

import numpy as np
import pytest

import recon.film.person
from recon.film.person import follow, meet
from recon.fitting.arrow import solve
from recon.fitting.face_numba import solve_face
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.least_squares import Problem
from recon.fitting.observation import USUAL, View
from recon.fitting.residuals import expected, landmark_problem, plainly, targets_of
from recon.fitting.rotation import rotation_matrix

from .test_fit import photographed
from .test_landmark_model import some_unknowns


def somewhere(head, model, seed: int, weak: bool):
    """Unknowns, and what a camera at any place, or one of weak perspective, sees of others, covered in part."""
    rng = np.random.default_rng(seed)
    x = some_unknowns(head, model, seed)
    x[model.layout.translation], x[model.layout.log_focal] = rng.normal(size=3) * 0.02, np.log(1300)
    _, seen = photographed(head, model, seed + 1, noise_px=3.0)
    world = np.eye(4)
    world[:3, :3] = rotation_matrix((np.pi + 0.1, 0.2, -0.3))
    world[:3, 3] = 0.03, -0.05, 1.1
    trust = (rng.random(468) < 0.8) * rng.random(468)
    view = View(seen.view.size, 1300.0, centre=np.array([410.0, 520.0]), world_to_camera=world)
    if weak:
        view = View(seen.view.size, centre=view.centre, weak=True)
    return x, dataclasses.replace(seen, view=view, trust=trust, together=0.6)


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("who", ["anybody", "one person", "joints that move"])
def test_residuals_and_their_jacobian_are_the_plain_ones(head, model, who, weak):
    if who == "joints that move":  # as official FLAME's do
        model = LandmarkModel(dataclasses.replace(head.arrays, joints_follow_expression=True))
    x, seen = somewhere(head, model, 3, weak)
    if who != "anybody":
        shape, x = x[model.layout.shape], x[model.layout.shape.stop :]
        model = model.of_person(shape)
    assert model.terms.joints_move == (who != "one person")
    problem, _ = landmark_problem(head.arrays, model, seen, x, USUAL)
    targets, _ = targets_of(model, seen, x, USUAL)
    assert 0 < len(targets.upper) < 13
    wanted, wanted_jacobian = plainly(model, targets, x)
    r, jacobian = problem.residuals(x, True)
    # the same sums in another order; worst seen 3e-13
    np.testing.assert_allclose(r, wanted, atol=1e-10)
    np.testing.assert_allclose(jacobian, wanted_jacobian, atol=1e-9)
    np.testing.assert_array_equal(problem.residuals(x, False)[0], r)
    step, some = 1e-6, [*range(0, len(x) - 7, 7), *range(len(x) - 7, len(x))]  # all of pose and camera
    numeric = [(problem.residuals(x + e, False)[0] - problem.residuals(x - e, False)[0]) / (2 * step)
               for e in np.eye(len(x))[some] * step]  # fmt: skip
    np.testing.assert_allclose(jacobian[..., some], np.stack(numeric, -1), atol=1e-5)  # of up to 1000


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("moves", ["all", "the pose"])
def test_one_face_is_solved_as_by_the_plain_solver(head, model, moves, weak):
    truth, seen = photographed(head, model, 2, noise_px=1.0, weak=weak)
    model = model.of_person(truth[model.layout.shape])
    lay = model.layout
    start = np.zeros(lay.size)
    start[lay.rotation.start :] = truth[-7:] + 0.05
    start[lay.log_focal] = truth[-1]
    active = np.ones(lay.size, bool)
    if moves == "the pose":
        active[: lay.rotation.start] = False
    problem, _ = landmark_problem(head.arrays, model, seen, start, USUAL)
    wanted = solve(problem, start, active=active, steps=12, tolerance=1e-6)
    targets, _ = targets_of(model, seen, start, USUAL)
    mean, sd, low, high = expected(head.arrays, model, seen)
    found, variance, cost, steps = solve_face(
        model.terms, targets, (mean, sd**-2.0, low, high), Problem.cauchy, active, start, 12, 1e-6
    )
    assert steps == wanted.steps > 3
    assert (~wanted.free[0] & active).sum() > 1 or moves == "the pose"  # bounds hold some
    assert cost == pytest.approx(wanted.cost, rel=1e-10)
    np.testing.assert_allclose(found, wanted.x[0], atol=1e-8)
    np.testing.assert_allclose(variance, np.diag(wanted.covariance()[0]), rtol=1e-6)


def test_fits_of_a_film_do_not_depend_on_the_threads(head, model, monkeypatch):
    monkeypatch.setattr(recon.film.person, "AFRESH", 4)
    turns = np.linspace(-0.2, 0.3, 10)
    seen = [photographed(head, model, 1, turn=(0.05, turn, 0), noise_px=1.0)[1] for turn in turns]
    person = meet(head.arrays, model, seen[::4])
    done = []
    one, three = (
        follow(head.arrays, person, iter(seen), len(seen), done.append, threads=threads) for threads in (1, 3)
    )
    assert len(one) == 10 and done[-1] == 1.0
    for a, b in zip(one, three, strict=True):
        np.testing.assert_array_equal(a.unknowns, b.unknowns)
        np.testing.assert_array_equal(a.variance, b.variance)


def test_a_person_does_not_depend_on_the_threads(head, model, monkeypatch):
    seen = [photographed(head, model, 1, turn=(0.05, turn, 0), noise_px=1.0)[1] for turn in (-0.3, 0.0, 0.3)]
    found = []
    for cores in (1, 3):
        monkeypatch.setattr("recon.fitting.arrow.default_threads", lambda cores=cores: cores)
        found.append(meet(head.arrays, model, seen))
    np.testing.assert_array_equal(found[0].shape, found[1].shape)
    np.testing.assert_array_equal(found[0].shape_sd, found[1].shape_sd)
