import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import Appearance, FaceParams, Head, ShapeError, Track
from flame_tools.errors import InputError
from flame_tools.posing import at_frames, person, posed_frames


@pytest.fixture
def head(arrays):
    return Head(arrays)


@pytest.fixture
def track(head):
    params = FaceParams.neutral(head, 7).map(torch.randn_like)
    return Track("random", params.replace(shape=torch.randn(head.shape_size)), np.arange(7) / 25)


def test_frames_equal_one_batch_whatever_the_chunk(head, track):
    wanted = head.vertices(track.params)
    for chunk in (1, 3, 100):
        np.testing.assert_allclose(np.stack(list(posed_frames(track, head, chunk=chunk))), wanted, atol=1e-6)


def test_reading_frames_leaves_gradients_on(head, track):
    frames = posed_frames(track, head)
    next(frames)
    assert torch.is_grad_enabled()


def test_vertex_offsets_ride_on_the_identity(head, track):
    offsets = np.full((40, 3), 0.01, np.float32)
    rest = person(track.replace(appearance=Appearance(vertex_offsets=offsets)), head).v_template
    np.testing.assert_allclose(rest - person(track, head).v_template, offsets, atol=1e-7)


def test_another_head_is_refused(arrays, track):
    other = Head(dataclasses.replace(arrays, id="flame2020"))
    with pytest.raises(ShapeError, match="'random', not 'flame2020'"):
        next(posed_frames(track, other))


def test_frames_are_chosen_in_any_order_and_missing_ones_named(track):
    assert at_frames(track, [2, -1, 2]).time_s.tolist() == track.time_s[[2, 6, 2]].tolist()
    for strange in ([0, 7], [-8]):
        with pytest.raises(InputError, match=rf"no frame {strange[-1]}; the track has 7"):
            at_frames(track, strange)
