from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from flame_tools import Head, InputError
from flame_tools.frame_rate import rational
from flame_tools.resample import at_rate
from flame_tools.track_check import check_track
from flame_tools.types import Camera, Curves
from tests.flame_tools.export.conftest import lively_track

FIELDS = ("expression", "global_rotation", "neck", "jaw", "eyes", "eyelids", "translation")


def test_its_own_rate_changes_no_bit(arrays):
    track = lively_track(Head(arrays), 7)
    again = at_rate(track, 30)
    assert again.fps == (30, 1) and len(again) == 7
    for name in FIELDS:
        assert torch.equal(getattr(again.params, name), getattr(track.params, name))


def test_twice_the_rate_and_back_has_the_frames_again(arrays):
    track = lively_track(Head(arrays), 7)
    back = at_rate(at_rate(track, 60), 30)
    for name in FIELDS:
        assert torch.equal(getattr(back.params, name), getattr(track.params, name))


@given(rate=st.fractions(min_value=1, max_value=240, max_denominator=1001), frames=st.integers(1, 12))
def test_any_rate_gives_a_whole_track_of_the_same_length(rate, frames, arrays):
    track = lively_track(Head(arrays), frames)
    new = at_rate(track, rate)
    check_track(new)
    assert track.time_s[0] == new.time_s[0] and new.time_s[-1] <= track.time_s[-1] + 2e-3
    meant = rational(rate)  # 29.97 is 30000/1001
    assert track.time_s[-1] - new.time_s[-1] < 1 / meant
    assert new.fps == (meant.numerator, meant.denominator)


def test_rotations_go_the_short_way_at_even_speed(arrays):
    head = Head(arrays)
    ends = torch.tensor([[0.0, 3.0, 0.0], [0.0, -3.0, 0.0]])  # the short way between them leads through pi, not 0
    track = lively_track(head, 2)
    track = track.replace(params=track.params.replace(global_rotation=ends))
    turned = Rotation.from_rotvec(at_rate(track, 120).params.global_rotation.numpy())
    steps = (turned[:-1].inv() * turned[1:]).magnitude()
    np.testing.assert_allclose(steps, (2 * np.pi - 6) / 4, atol=1e-5)


def test_what_goes_with_the_frames_goes_along(arrays):
    head = Head(arrays)
    track = lively_track(head, 3)
    pose = np.tile(np.eye(4), (3, 1, 1))
    pose[:, :3, :3] = Rotation.from_rotvec([[0, 0, 0], [0, 1, 0], [0, 2, 0]]).as_matrix()
    pose[:, 0, 3] = [0, 1, 3]
    std = track.params.map(torch.ones_like)
    track = track.replace(
        camera=Camera(np.full((3, 2), 900.0), np.array([100.0, 100.0]), (200, 200), world_to_camera=pose),
        curves={"emotion": Curves(("happy",), np.array([[0.0], [1.0], [np.nan]], np.float32))},
        visibility=np.array([1.0, 0.5, np.nan]),
        std=std,
        audio=np.zeros(1600, np.float32),
        audio_rate=16000,
    )
    new = at_rate(track, 60)
    check_track(new)
    np.testing.assert_allclose(new.curves["emotion"].values[:, 0], [0, 0.5, 1, np.nan, np.nan])
    np.testing.assert_allclose(new.visibility, [1, 0.75, 0.5, np.nan, np.nan])
    np.testing.assert_allclose(new.camera.world_to_camera[:, 0, 3], [0, 0.5, 1, 2, 3])
    turned = Rotation.from_matrix(new.camera.world_to_camera[:, :3, :3]).as_rotvec()[:, 1]
    np.testing.assert_allclose(turned, [0, 0.5, 1, 1.5, 2], atol=1e-12)
    assert new.camera.focal.shape == (5, 2) and new.audio is track.audio and len(new.std.jaw) == 5


def test_uneven_frames_become_even(arrays):
    track = lively_track(Head(arrays), 4).replace(time_s=np.array([0.0, 0.01, 0.5, 1.0]), fps=None)
    new = at_rate(track, Fraction(30000, 1001))
    check_track(new)
    assert len(new) == 30


@pytest.mark.parametrize("fps", [0, -3, Fraction(10**9), float("nan")])
def test_rates_of_nothing_are_refused(fps, arrays):
    with pytest.raises(InputError):
        at_rate(lively_track(Head(arrays), 3), fps)
