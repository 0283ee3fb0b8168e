import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import ShapeError
from flame_tools.live import CHANNELS, vmc
from flame_tools.rotations import matrix_from_yaw_pitch_roll
from tests.flame_tools.live.osc_reader import messages_in

MIRROR = np.diag([-1.0, 1.0, 1.0])  # our axes to Unity's: x to the subject's right
angle = st.floats(-1.5, 1.5)


def matrix(quaternion) -> np.ndarray:
    """A unit quaternion (x, y, z, w) as a matrix; the formula is the same in either hand."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_a_frame_is_what_the_protocol_asks_for(face):
    frame = [one for data in vmc.datagrams(1.25, face) for one in messages_in(data)]
    assert frame[0] == ("/VMC/Ext/OK", 1) and frame[1] == ("/VMC/Ext/T", 1.25)
    bones, shapes = frame[2:6], frame[6:-1]
    assert [bone[:5] for bone in bones] == [
        ("/VMC/Ext/Bone/Pos", name, 0.0, 0.0, 0.0) for name in ("Neck", "Head", "LeftEye", "RightEye")
    ]
    assert all(len(bone) == 9 for bone in bones)
    assert [shape[:2] for shape in shapes] == [("/VMC/Ext/Blend/Val", name) for name in CHANNELS[:52]]
    np.testing.assert_allclose([shape[2] for shape in shapes], face[:52], rtol=1e-6)
    assert frame[-1] == ("/VMC/Ext/Blend/Apply",)


def test_no_datagram_is_split_by_a_network(face):
    sizes = [len(data) for data in vmc.datagrams(0.0, face)]
    assert max(sizes) <= 1400 and len(sizes) == 3


@pytest.mark.parametrize(
    ("which", "axis", "turns", "towards"),
    [
        # Unity: forward is +z, right is +x, up is +y
        (0, "yaw to the left", [0, 0, 1], (-1, 0, 0)),
        (1, "pitch down", [0, 0, 1], (0, -1, 0)),
        (2, "roll: the left ear rises", [-1, 0, 0], (0, 1, 0)),
    ],
)
def test_the_axes_are_unitys(which, axis, turns, towards):
    angles = np.zeros(9)
    angles[which] = angles[3 + which] = 0.3
    neck, head, left, right = map(matrix, vmc.bone_quaternions(angles))
    for turn in (head @ neck, left):
        moved = turn @ turns - turns
        assert moved @ towards == pytest.approx(np.sin(0.3)), axis
    np.testing.assert_allclose(right, np.eye(3), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(angle, min_size=9, max_size=9))
def test_rotations_are_ours_seen_in_a_mirror(angles):
    neck, head, left, right = map(matrix, vmc.bone_quaternions(np.array(angles)))
    ours = matrix_from_yaw_pitch_roll(torch.tensor(angles, dtype=torch.float64).reshape(3, 3)).numpy()
    for found, wanted in zip((neck @ head, left, right), ours, strict=True):
        np.testing.assert_allclose(found, MIRROR @ wanted @ MIRROR, atol=1e-6)
    np.testing.assert_allclose(neck, head, atol=1e-12)


def test_half_a_turn_has_a_half():
    neck, head, *_ = map(matrix, vmc.bone_quaternions(np.array([np.pi, 0, 0, 0, 0, 0, 0, 0, 0])))
    np.testing.assert_allclose(neck @ head, np.diag([-1.0, 1.0, -1.0]), atol=1e-9)


@pytest.mark.parametrize("channels", [np.zeros(52), np.full(61, np.inf)])
def test_what_is_no_face_is_refused(channels):
    with pytest.raises(ShapeError, match="61"):
        vmc.datagrams(0.0, channels)
