import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools import Head
from flame_tools.errors import ShapeError
from flame_tools.types import HeadArrays
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.priors import bounds, prior
from recon.fitting.rotation import rotation_derivatives, rotation_matrix
from recon.pipeline import params_of
from recon.texture.uv_map import check_uv


class Found:
    def __init__(self, layout):
        self.layout = layout


def some_unknowns(head, model, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = bounds(head.arrays, model.layout)
    x, bounded = rng.normal(size=len(low)) * 0.8, np.isfinite(low)
    x[bounded] = rng.uniform(low[bounded], high[bounded])
    x[model.layout.shape] = rng.normal(size=head.shape_size)
    return x


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_head_at_its_landmarks(head, model, seed):
    x = some_unknowns(head, model, seed)
    params = params_of(Found(model.layout), x, unknown=0.0, dtype=torch.float32)
    vertices = head.vertices(params)
    wanted = torch.cat([head.landmarks(vertices, "468"), head.landmarks(vertices, "iris")], 1)[0]
    # float32 against float64; worst seen 9e-7 m
    np.testing.assert_allclose(model.points(x), wanted, atol=3e-6)
    np.testing.assert_allclose(model.joints(x), head(params).joints[0], atol=3e-6)


@pytest.mark.parametrize("seed", range(2))
def test_the_jacobian_is_the_derivative(head, model, seed):
    x, step = some_unknowns(head, model, seed), 1e-6
    _, jacobian = model.points_and_jacobian(x)
    numeric = np.stack([(model.points(x + e) - model.points(x - e)) / (2 * step) for e in np.eye(len(x)) * step], -1)
    np.testing.assert_allclose(jacobian, numeric, atol=1e-8)  # central differences; worst seen 4e-10


@settings(max_examples=40)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.sampled_from([1.0, 1e-3, 1e-6, 0.0]))
def test_rotation_derivatives_at_and_near_zero(axis_angle, scale):
    r, step = np.array(axis_angle) * scale, 1e-6
    numeric = np.stack([(rotation_matrix(r + e) - rotation_matrix(r - e)) / (2 * step) for e in np.eye(3) * step])
    np.testing.assert_allclose(rotation_derivatives(r), numeric, atol=2e-9)


def test_a_head_without_the_landmarks_says_so(head):
    fields = {name: getattr(head.arrays, name) for name in HeadArrays.__dataclass_fields__} | {"landmarks": {}}
    with pytest.raises(ShapeError, match="468, iris"):
        LandmarkModel(HeadArrays(**fields))


def without_lids(arrays: HeadArrays, **changes) -> HeadArrays:
    size = len(arrays.shape_names)
    lids = {"eyelid_vertices": np.zeros(0, np.int32), "eyelid_dirs": np.zeros((0, 3, 4), np.float32)}
    lids |= {"eyelid_shapedirs": np.zeros((0, 3, 4, size), np.float32)}
    return dataclasses.replace(arrays, **lids, **changes)


def test_a_head_without_lids_has_landmarks_too(head):
    bare = Head(without_lids(head.arrays))
    model = LandmarkModel(bare.arrays)
    x = some_unknowns(bare, model, 0)
    vertices = bare.vertices(params_of(Found(model.layout), x, unknown=0.0, dtype=torch.float32))
    wanted = torch.cat([bare.landmarks(vertices, "468"), bare.landmarks(vertices, "iris")], 1)[0]
    np.testing.assert_allclose(model.points(x), wanted, atol=3e-6)
    assert not model.points_and_jacobian(x)[1][..., model.layout.eyelids].any()


def test_heads_that_were_not_registered_are_told_how(head):
    """As FLAME's own files are: no dense landmarks, no reach of the jaw, no texture coordinates."""
    bare = without_lids(
        head.arrays, landmarks={"68": head.arrays.landmarks["68"]}, jaw_open_rad=0.0, uv=np.zeros((0, 2))
    )
    with pytest.raises(ShapeError, match=r"no landmarks 468, iris.*emberface head add"):
        LandmarkModel(bare)
    model = LandmarkModel(bare, ("68",))
    with pytest.raises(ShapeError, match=r"how far its jaw opens.*emberface head add"):
        prior(bare, model.layout)
    with pytest.raises(ShapeError, match=r"no texture coordinates.*emberface head add"):
        check_uv(bare)
