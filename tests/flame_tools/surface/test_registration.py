"""A template bent onto surfaces that are known: whole, noisy, torn and half missing."""

import numpy as np
import pytest

from flame_tools.errors import ShapeError
from flame_tools.surface.embedding import at_vertices
from flame_tools.surface.nearest import Surface
from flame_tools.surface.registration import Anchors, Schedule, local_turns, on_mesh, register, settle
from tests.flame_tools.surface.shapes import sphere

SCHEDULE = Schedule(lengths_m=(0.06, 0.03, 0.015, 0.008, 0.004))


def bumpy(vertices: np.ndarray) -> np.ndarray:
    """A ball of 8 cm with a stretched side, a nose and a dent."""
    nose = np.exp(-20 * ((vertices - [0, 0, 1]) ** 2).sum(1))
    dent = np.exp(-10 * ((vertices - [1, 0, 0]) ** 2).sum(1))
    return 0.08 * vertices * (1 + 0.25 * nose - 0.15 * dent)[:, None] * [1.0, 1.2, 0.9]


@pytest.fixture(scope="module")
def shapes():
    """Template vertices and faces, the target's dense vertices and faces, and anchors at six places."""
    coarse, faces = sphere(16)
    dense, dense_faces = sphere(40)
    marks = np.array([np.abs(coarse - axis).sum(1).argmin() for axis in np.concatenate([np.eye(3), -np.eye(3)])])
    anchors = Anchors(at_vertices(faces, marks), bumpy(coarse)[marks])
    return 0.07 * coarse, faces, bumpy(dense), dense_faces, anchors, bumpy(coarse)


def test_reaches_the_surface_and_keeps_its_places(shapes):
    template, faces, dense, dense_faces, anchors, truth = shapes
    target = Surface(dense, dense_faces)
    found = register(template, faces, target, anchors=anchors, schedule=SCHEDULE)
    assert target.nearest(found).distance.max() < 3e-4
    error = np.linalg.norm(found - truth, axis=1)  # along the surface too
    assert np.median(error) < 4e-3 and error.max() < 1.2e-2
    again = register(template, faces, target, anchors=anchors, schedule=SCHEDULE)
    np.testing.assert_array_equal(found, again)


def test_noise_and_a_hole_are_bridged(shapes):
    template, faces, dense, dense_faces, anchors, truth = shapes
    rng = np.random.default_rng(0)
    noisy = dense + 5e-4 * rng.normal(size=dense.shape)
    away = np.linalg.norm(dense / 0.08 - [0.0, -1.1, 0.3], axis=1)
    torn = dense_faces[(away[dense_faces] > 0.45).all(1)]
    found = register(template, faces, Surface(noisy, torn), anchors=anchors, schedule=SCHEDULE)
    distance = Surface(dense, dense_faces).nearest(found).distance
    in_hole = np.linalg.norm(truth / 0.08 - [0.0, -1.1, 0.3], axis=1) < 0.4
    assert in_hole.sum() > 10 and (torn.shape[0] < len(dense_faces) - 100)
    assert np.median(distance[~in_hole]) < 3e-4
    assert distance[in_hole].max() < 2e-3  # the hole is 7 cm wide


def test_half_a_target_leaves_the_rest_in_shape(shapes):
    template, faces, dense, dense_faces, anchors, truth = shapes
    half = dense_faces[(dense[dense_faces][:, :, 0] > -0.02).all(1)]
    found = register(template, faces, Surface(dense, half), anchors=anchors, schedule=SCHEDULE)
    missing = truth[:, 0] < -0.03
    assert Surface(dense, dense_faces).nearest(found[missing]).distance.max() < 6e-3
    assert Surface(dense, dense_faces).nearest(found[~missing]).distance.max() < 3e-3


def test_weights_let_vertices_follow_without_seeking(shapes):
    template, faces, dense, dense_faces, anchors, _ = shapes
    decoy = np.concatenate([dense, 0.004 * sphere(40)[0] + [0.0, 0.0, 0.125]])
    faces_too = np.concatenate([dense_faces, dense_faces + len(dense)])
    free = np.where(template[:, 2] > 0.06, 0.0, 1.0)
    found = register(template, faces, Surface(decoy, faces_too), anchors=anchors, weights=free, schedule=SCHEDULE)
    assert np.isfinite(found).all()
    assert Surface(dense, dense_faces).nearest(found[free > 0]).distance.max() < 2e-3


def test_a_piece_that_nothing_pulls_stays(shapes):
    template, faces, _, dense_faces, _, _ = shapes
    ball, lone = 0.01 * sphere(16)[0] + [0.0, 0.02, 0.04], [[0.5, 0.5, 0.5]]
    both = np.concatenate([template, ball, lone])
    free = np.repeat([1.0, 0.0], [len(template), len(ball) + 1])
    target = Surface(0.075 * sphere(40)[0], dense_faces)
    found = register(both, np.concatenate([faces, faces + len(template)]), target, alignment="none", weights=free)
    assert target.nearest(found[: len(template)]).distance.max() < 3e-4
    assert np.abs(found - both)[len(template) :].max() < 1e-5


def test_settle_moves_as_a_whole(shapes):
    _, faces, dense, dense_faces, _, truth = shapes
    moved = 1.05 * truth + [0.004, -0.003, 0.005]
    found = settle(moved, faces, Surface(dense, dense_faces), schedule=Schedule(settling=60))
    assert np.median(np.linalg.norm(found - truth, axis=1)) < 1.5e-3
    far = settle(truth + 5.0, faces, Surface(dense, dense_faces))
    np.testing.assert_array_equal(far, truth + 5.0)  # nothing near: where it was


def test_a_rigid_template_that_lies_there_already_needs_no_anchors(shapes):
    template, faces, *_ = shapes
    dense, dense_faces = sphere(40)
    found = register(template, faces, Surface(0.07 * dense, dense_faces), alignment="none", schedule=SCHEDULE)
    assert np.linalg.norm(found - template, axis=1).max() < 3e-4
    with pytest.raises(ShapeError, match="needs anchors"):
        register(template, faces, Surface(dense, dense_faces))
    with pytest.raises(ShapeError, match=r"wanted one for each of 482"):
        register(template, faces, Surface(dense, dense_faces), alignment="none", weights=np.ones(3))


def test_local_turns_are_what_happened():
    vertices, faces = sphere(16)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    lone = np.concatenate([vertices, [[5.0, 5.0, 5.0]]])
    turns = local_turns(lone, 1.3 * lone @ turn.T, faces)
    np.testing.assert_allclose(turns[:-1], np.broadcast_to(1.3 * turn, (len(vertices), 3, 3)), atol=1e-9)
    np.testing.assert_array_equal(turns[-1], np.eye(3))
    places = at_vertices(faces, np.arange(len(vertices)))
    np.testing.assert_array_equal(on_mesh(vertices, faces, places), vertices)
