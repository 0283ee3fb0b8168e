import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.sampling import axis_angle_of, linear, quaternions_of, turned


def test_turns_go_evenly_and_the_short_way():
    rng = np.random.default_rng(0)
    keys = Rotation.from_rotvec(rng.normal(size=(6, 3)))
    own, times = np.cumsum(rng.random(6)), np.linspace(-1, 5, 50)
    signs = np.where(rng.random((6, 1)) < 0.5, -1, 1)
    found = turned(times, own, keys.as_quat() * signs)
    wanted = Slerp(own, keys)(times.clip(own[0], own[-1]))
    assert (Rotation.from_quat(found) * wanted.inv()).magnitude().max() < 1e-9


def test_axis_angles_there_and_back():
    turns = torch.randn(300, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turns[0] = 0
    again = axis_angle_of(quaternions_of(turns))
    assert (matrix_from_axis_angle(again) - matrix_from_axis_angle(turns)).abs().max() < 5e-8  # angle |r + 1e-8|


def test_lines_hold_their_ends():
    own, values = np.array([1.0, 2.0, 4.0]), np.array([[0.0], [1.0], [-1.0]])
    np.testing.assert_allclose(linear(np.array([0, 1.5, 3, 9]), own, values)[:, 0], [0, 0.5, 0, -1])
