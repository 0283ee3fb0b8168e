import numpy as np
import pytest
import torch

from flame_tools import Head, Track
from flame_tools.errors import InputError, ShapeError
from flame_tools.export.livelink import weights_and_angles
from flame_tools.live import CHANNELS, Frames, frames_of, track_of
from flame_tools.rotations import matrix_from_axis_angle
from tests.flame_tools.conftest import random_arrays
from tests.flame_tools.export.conftest import lively_track


def test_frames_are_the_csvs_rows_and_can_be_gone_through_again(arrays):
    head = Head(arrays)
    track = lively_track(head)
    frames = frames_of(track, head)
    assert len(frames) == 12 and frames.fps == (30, 1) and len(CHANNELS) == 61
    for _ in range(2):
        times, rows = zip(*frames, strict=True)
        np.testing.assert_array_equal(rows, weights_and_angles(track, head))
        np.testing.assert_array_equal(times, track.time_s)


def test_uneven_times_have_a_mean_rate(arrays):
    head = Head(arrays)
    track = lively_track(head, 5).replace(time_s=np.array([0, 0.01, 0.05, 0.06, 0.16]), fps=None)
    assert frames_of(track, head).fps == (25000, 1000)
    one = lively_track(head, 1).replace(fps=None)
    assert frames_of(one, head).fps == (60000, 1000)


def test_a_face_comes_back_as_it_went(default_head):
    track = lively_track(default_head, 20)
    track = track.replace(params=track.params.replace(shape=torch.zeros(default_head.shape_size)))
    ours = frames_of(track, default_head)
    back = track_of(ours, default_head)
    theirs = frames_of(back, default_head)
    # The weights of eyes that are turned further than they say come from the angles, which are exact.
    owned = [i for i, name in enumerate(CHANNELS) if not name.startswith("EyeLook")]
    np.testing.assert_allclose(theirs.channels[:, owned], ours.channels[:, owned], atol=2e-6)
    np.testing.assert_allclose(back.params.eyes, track.params.eyes, atol=1e-5)
    turn = matrix_from_axis_angle(track.params.global_rotation) @ matrix_from_axis_angle(track.params.neck)
    np.testing.assert_allclose(matrix_from_axis_angle(back.params.neck), turn, atol=1e-6)
    assert back.head_id == track.head_id and back.licences == (default_head.arrays.licence,)


def test_frames_at_their_rate_make_a_track_of_that_rate_and_a_lost_one_does_not(default_head):
    ours = frames_of(lively_track(default_head, 20), default_head)
    assert track_of(ours, default_head).fps == (30, 1)
    kept = np.delete(np.arange(20), 7)
    lost = track_of(Frames(ours.time_s[kept], ours.channels[kept], ours.fps), default_head)
    assert lost.fps is None and lost.time_s[7] == pytest.approx(8 / 30)


def test_eyes_that_are_told_by_weights_alone_look_as_they_say(default_head):
    channels = np.zeros((2, 61))
    channels[1, CHANNELS.index("EyeLookOutLeft")] = channels[1, CHANNELS.index("EyeLookInRight")] = 0.5
    track = track_of(Frames(np.array([3.0, 3.1]), channels, (10, 1)), default_head)
    assert track.params.eyes[0].abs().max() == 0 and (track.params.eyes[1, :, 1] > 0.1).all()  # to the left
    np.testing.assert_allclose(track.time_s, [0, 0.1])


def test_what_does_not_fit_is_refused(arrays):
    head = Head(arrays)
    track = lively_track(head, 4)
    other = Head(random_arrays(3))
    with pytest.raises(ShapeError, match="other"):
        frames_of(Track("other", track.params, track.time_s), other)
    broken = track.params.jaw.clone()
    broken[2] = float("nan")
    with pytest.raises(ShapeError, match="NaN"):
        frames_of(track.replace(params=track.params.replace(jaw=broken)), head)
    with pytest.raises(InputError, match="no frame"):
        track_of(Frames(np.zeros(0), np.zeros((0, 61)), (60, 1)), head)
    with pytest.raises(ShapeError, match="61"):
        track_of(Frames(np.zeros(2), np.zeros((2, 52)), (60, 1)), head)
