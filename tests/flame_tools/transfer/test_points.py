import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import FaceParams, Head
from flame_tools.transfer.fit import Terms, Unknowns, Wanted, fit_motion
from flame_tools.transfer.motion import OTHERS, columns, motion_of, params_of
from flame_tools.transfer.points import FacePoints
from tests.flame_tools.conftest import random_arrays
from tests.flame_tools.export.conftest import shapeless

ARRAYS = random_arrays()
CHOSEN = np.array([3, 0, 17, 25, 39])


def random_motion(arrays, frames=4, seed=1):
    rng = np.random.default_rng(seed)
    motion = 0.3 * rng.normal(size=(frames, len(arrays.expression_names) + 11))
    motion[:, columns(arrays)["eyelids"]] = rng.random((frames, 2))
    return motion


@pytest.mark.parametrize("follow", [False, True])
def test_points_are_the_heads_own(follow):
    arrays = dataclasses.replace(ARRAYS, joints_follow_expression=follow)
    head = Head(arrays, dtype=torch.float64)
    shape, motion = np.random.default_rng(2).normal(size=head.shape_size), random_motion(arrays)
    params = params_of(motion, head).replace(shape=torch.as_tensor(shape))
    expected = head.vertices(params)[:, CHOSEN].numpy()
    np.testing.assert_allclose(FacePoints(arrays, shape, CHOSEN).place(motion).points, expected, atol=1e-12)
    np.testing.assert_allclose(motion_of(params), motion, atol=0)


def test_jaw_and_lids_are_derivatives():
    whole = np.eye(5)[np.random.default_rng(3).integers(0, 5, len(ARRAYS.v_template))]  # unblended: A is a rotation
    points, motion = FacePoints(dataclasses.replace(ARRAYS, weights=whole), np.zeros(6), CHOSEN), random_motion(ARRAYS)
    placed = points.place(motion)
    found = points.jaw_and_lids(motion, placed)
    at = columns(ARRAYS)
    for column, place in enumerate([*range(at["jaw"].start, at["jaw"].stop), -2, -1]):
        nudge = np.zeros(motion.shape[1])
        nudge[place] = 1e-5
        change = (points.place(motion + nudge).points - points.place(motion - nudge).points) / 2e-5
        np.testing.assert_allclose(found[:, column], placed.pulled_back(change), atol=1e-8)


def test_neutral_is_the_template():
    motion = motion_of(FaceParams.neutral(Head(ARRAYS), 2))
    points = FacePoints(ARRAYS, np.zeros(6), CHOSEN)
    np.testing.assert_allclose(points.place(motion).points[1], ARRAYS.v_template[CHOSEN], atol=1e-7)


def test_a_head_without_expressions_is_fitted_by_its_jaw():
    arrays = shapeless(random_arrays()).arrays
    points = FacePoints(arrays, np.zeros(len(arrays.shape_names)), np.arange(len(arrays.v_template)))
    motion = np.zeros((2, OTHERS))
    motion[:, 0] = 0.1, 0.2
    wanted = Wanted(points.place(motion).points, *np.zeros((2, 2, 0, 3)))
    jaw = Unknowns(np.eye(OTHERS)[:1], np.zeros(1), np.ones(1), np.ones(1))
    found = fit_motion(
        points, lambda rows: wanted, jaw, np.zeros_like(motion), weights=np.ones(len(arrays.v_template)),
        pairs=np.zeros((0, 2), int), terms=Terms(0.0, 0.0, 0.0),
    )  # fmt: skip
    np.testing.assert_allclose(found.motion, motion, atol=1e-4)
