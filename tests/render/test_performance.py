from fractions import Fraction

import numpy as np
import pytest
import torch

from flame_tools import InputError, load_head
from flame_tools.identity import random_identities
from flame_tools.posing import still
from flame_tools.types import Appearance
from render.camera import portrait_camera
from render.film import film, frame_rate
from render.performance import comparison
from render.preview import draw


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture
def track(head):
    one = still(head, random_identities(head, 1, 0)[0])
    params = one.params.map(lambda t: t.expand(4, *t.shape[1:]) if t.ndim > 1 else t)
    neck = torch.zeros(4, 3)
    neck[:, 1] = torch.linspace(0, 0.5, 4)
    return one.replace(params=params.replace(neck=neck), time_s=np.arange(4) / 25, fps=(25, 1))


def test_a_film_has_a_picture_for_every_frame_and_they_move(head, track):
    frames = list(film(track, head, size=(96, 128)))
    assert len(frames) == 4 and frames[0].shape == (128, 96, 3)
    moved = [np.abs(frames[0].astype(int) - f).mean() for f in frames]
    assert moved[0] == 0 and moved[1] < moved[2] < moved[3]


def test_rates(track):
    assert frame_rate(track) == 25
    assert frame_rate(track.replace(fps=(30000, 1001))) == Fraction(30000, 1001)
    assert frame_rate(track.replace(fps=None)) == 25


def test_a_fitted_head_lies_over_its_photo(head):
    track = still(head, random_identities(head, 1, 0)[0])
    vertices = head.vertices(track.params)[0].detach()
    camera = portrait_camera((300, 400), vertices, fill=0.6)
    photo = draw(head, vertices, camera)
    # moved away from the camera's default place: the comparison must use the camera it is given
    sheet = comparison(photo, track.replace(camera=camera), head, height=200)
    assert sheet.shape[0] == 200
    left, middle = sheet[:, :200].astype(int), sheet[:, 208:408].astype(int)
    inside = np.abs(left - middle).max(-1)[60:140, 60:140]
    assert np.median(inside) <= 6  # the same head through the same camera, resampled


def test_the_head_laid_over_its_photo_has_its_own_skin(head):
    track = still(head, random_identities(head, 1, 0)[0])
    camera = portrait_camera((200, 200), head.vertices(track.params)[0].detach(), fill=0.6)
    green = Appearance(albedo=np.full((64, 64, 3), (20, 200, 20), np.uint8))
    sheet = comparison(
        np.zeros((200, 200, 3), np.uint8), track.replace(camera=camera, appearance=green), head, height=200
    )
    red, grown, _ = sheet[100, -100].astype(int)
    assert grown > red + 60


def test_a_photo_of_another_size_is_refused(head):
    track = still(head, random_identities(head, 1, 0)[0])
    camera = portrait_camera((300, 400), head.v_template)
    with pytest.raises(InputError, match="400x300"):
        comparison(np.zeros((300, 400, 3), np.uint8), track.replace(camera=camera), head)
    with pytest.raises(InputError, match="no camera"):
        comparison(np.zeros((300, 400, 3), np.uint8), track, head)
