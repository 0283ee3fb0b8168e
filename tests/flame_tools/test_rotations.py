import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from flame_tools.errors import ShapeError
from flame_tools.rotations import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
    quaternion_from_matrix,
)

component = st.floats(-1, 1, allow_subnormal=False)
axis_angles = st.tuples(component, component, component, st.floats(0, np.pi)).map(
    lambda t: np.array(t[:3]) / max(np.linalg.norm(t[:3]), 1e-3) * t[3]
)


@settings(max_examples=200, deadline=None)
@given(axis_angles)
def test_agrees_with_scipy_and_round_trips(r):
    found = matrix_from_axis_angle(torch.tensor(r))
    wanted = Rotation.from_rotvec(r).as_matrix()
    np.testing.assert_allclose(found, wanted, atol=2e-7)  # |r + 1e-8| as published
    exact = torch.tensor(wanted)
    np.testing.assert_allclose(matrix_from_axis_angle(axis_angle_from_matrix(exact)), wanted, atol=3e-7)
    quaternion = quaternion_from_matrix(exact).numpy()
    np.testing.assert_allclose(Rotation.from_quat(quaternion).as_matrix(), wanted, atol=1e-9)


@pytest.mark.parametrize("r", [[0.0, 0, 0], [np.pi, 0, 0], [0, np.pi, 0], [0, 0, -np.pi], [1e-9, 0, 0]])
def test_hard_places(r):
    matrix = torch.tensor(Rotation.from_rotvec(r).as_matrix())
    back = Rotation.from_rotvec(axis_angle_from_matrix(matrix).numpy()).as_matrix()
    np.testing.assert_allclose(back, matrix, atol=1e-9)
    leaf = torch.tensor(r, dtype=torch.float64, requires_grad=True)
    matrix_from_axis_angle(leaf).sum().backward()
    assert torch.isfinite(leaf.grad).all()


def test_wrong_shape_is_named():
    with pytest.raises(ShapeError, match=r"\[2, 4\]"):
        matrix_from_axis_angle(torch.zeros(2, 4))
