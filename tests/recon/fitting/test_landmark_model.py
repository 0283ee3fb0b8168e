import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import ShapeError
from flame_tools.types import HeadArrays
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.priors import bounds
from recon.fitting.rotation import rotation_derivatives, rotation_matrix
from recon.pipeline import params_of


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
