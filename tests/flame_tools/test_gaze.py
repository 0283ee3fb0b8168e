"""Eyes turn to a point in the world, from any pose of the head."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools import FaceParams, ShapeError, load_head
from flame_tools.arkit import ARKIT_NAMES, to_params
from flame_tools.gaze import look_at

HEAD = load_head(dtype=torch.float64)
AHEAD = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def draw(*size: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=torch.float64) * scale


def misses_rad(params: FaceParams, target: torch.Tensor) -> torch.Tensor:
    """Angle [..., 2] between where each eye looks and where the target is, by sine."""
    joints, rotations = HEAD.skeleton(params)
    looks = rotations[..., 3:, :, :] @ AHEAD
    wanted = torch.nn.functional.normalize(target.unsqueeze(-2) - joints[..., 3:, :], dim=-1)
    return torch.linalg.cross(looks, wanted).norm(dim=-1) + (looks * wanted).sum(-1).lt(0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), distance=st.floats(0.15, 100.0), turn=st.sampled_from([0.0, 0.3, 1.5]))
def test_both_eyes_meet_the_target_whatever_the_head_does(seed, distance, turn):
    params = FaceParams.neutral(HEAD, 3).replace(
        shape=draw(HEAD.shape_size, seed=seed, scale=0.5),
        global_rotation=draw(3, 3, seed=seed + 1, scale=turn),
        neck=draw(3, 3, seed=seed + 2, scale=turn / 2),
        translation=draw(3, 3, seed=seed + 3, scale=0.2),
        eyes=draw(3, 2, 3, seed=seed + 4),
    )
    target = torch.nn.functional.normalize(draw(3, 3, seed=seed + 5), dim=-1) * distance
    eyes = look_at(HEAD, params, target)
    assert misses_rad(params.replace(eyes=eyes), target).max() < 1e-7
    assert eyes.shape == (3, 2, 3) and not eyes[..., 2].any()  # no roll


def test_eyes_converge_on_what_is_near():
    near, far = (look_at(HEAD, FaceParams.neutral(HEAD), torch.tensor([0.0, 0.03, z]).double()) for z in (0.3, 50.0))
    assert near[0, 1] < -0.05 and near[1, 1] > 0.05  # the left eye to the subject's right, the right one to the left
    assert abs(far[:, 1]).max() < 0.001
    torch.testing.assert_close(near[0, 1], -near[1, 1], rtol=0, atol=1e-6)


def test_the_posed_iris_points_at_the_target():
    """Not only the joints: the painted iris of the mesh looks there too."""
    target = torch.tensor([0.2, 0.15, 0.6], dtype=torch.float64)
    params = FaceParams.neutral(HEAD)
    posed = HEAD(params.replace(eyes=look_at(HEAD, params, target)))
    centres = HEAD.landmarks(posed, "iris")[[5, 0]]  # left, right
    rays = torch.nn.functional.normalize(centres - posed.joints[3:], dim=-1)
    wanted = torch.nn.functional.normalize(target - posed.joints[3:], dim=-1)
    assert torch.linalg.cross(rays, wanted).norm(dim=-1).max() < np.radians(0.1)


@pytest.mark.parametrize(("side", "names"), [(1, ("OutLeft", "InRight")), (-1, ("InLeft", "OutRight"))])
def test_limits_are_those_of_the_look_shapes(side, names):
    aside = torch.tensor([5.0 * side, -5.0, 0.5], dtype=torch.float64)
    eyes = look_at(HEAD, FaceParams.neutral(HEAD), aside, within_limits=True)
    weights = torch.zeros(52, dtype=torch.float64)
    weights[[ARKIT_NAMES.index(f"eyeLook{name}") for name in (*names, "DownLeft", "DownRight")]] = 1
    torch.testing.assert_close(eyes, to_params(weights, HEAD).eyes, rtol=0, atol=1e-12)


def test_gradients_reach_the_target_even_straight_ahead():
    params = FaceParams.neutral(HEAD)
    straight = HEAD.skeleton(params)[0][3] + AHEAD
    for target in (straight, straight + draw(3, scale=0.1)):
        assert torch.autograd.gradcheck(lambda t: look_at(HEAD, params, t), [target.requires_grad_()], atol=1e-6)


def test_a_target_that_is_no_point_is_refused():
    with pytest.raises(ShapeError, match=r"target is \[2\], wanted"):
        look_at(HEAD, FaceParams.neutral(HEAD), torch.zeros(2))
