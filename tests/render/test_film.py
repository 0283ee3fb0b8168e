"""Films: views, turntables, passes, and two tracks in step."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from flame_tools import InputError, load_head
from flame_tools.identity import random_identities
from flame_tools.posing import at_frames, posed_frames, still
from render.film import PASSES, at_even_times, film, film_camera, still_picture, subject_of
from render.preview import draw

SIZE = (96, 96)
GAP = 8


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def talk(head):
    """Eight frames at 10 a second; the jaw opens, a quarter radian at the last."""
    one = still(head, random_identities(head, 1, 0)[0])
    params = one.params.map(lambda t: t.expand(8, *t.shape[1:]) if t.ndim > 1 else t)
    jaw = torch.zeros(8, 3)
    jaw[:, 0] = torch.linspace(0, 0.25, 8)
    return one.replace(params=params.replace(jaw=jaw), time_s=np.arange(8) / 10, fps=(10, 1))


def panels(picture, count):
    return [picture[GAP : GAP + 96, GAP + k * 104 : GAP + k * 104 + 96] for k in range(count)]


@pytest.mark.parametrize("view, yaw", [("front", 0.0), ("three-quarter", 40.0), ("profile", 90.0)])
def test_a_view_is_the_camera_walked_to_the_subjects_left(head, talk, view, yaw):
    first = next(iter(film(talk, head, size=SIZE, view=view)))
    vertices = next(posed_frames(talk, head))
    assert np.array_equal(first, draw(head, vertices, film_camera(subject_of(talk, head), SIZE, yaw)))


def test_a_turntable_of_a_still_turns_once_and_closes(head, talk):
    one = at_frames(talk, [0])
    reel = film(one, head, size=SIZE, view="turntable", turn=8)
    assert len(reel) == 8 and reel.fps == 24
    frames = [f.astype(int) for f in reel]
    front = draw(head, next(posed_frames(one, head)), film_camera(subject_of(one, head), SIZE, 0.0))
    assert np.array_equal(frames[0], front)
    skin = [(f[..., 0] > f[..., 2] + 40).sum() for f in frames]  # the back of the head is hair
    assert skin[4] < 0.75 * skin[0]
    sheet = still_picture(one, head, size=SIZE, view="turntable")
    assert sheet.shape[1] == GAP + 4 * 104 and sheet.shape[0] > 2 * 104


def test_a_turning_performance_keeps_its_frames_and_its_rate(head, talk):
    reel = film(talk, head, size=SIZE, view="turntable")
    assert len(reel) == len(list(reel)) == 8 and reel.fps == 10


def test_a_sheet_shows_three_sides_and_as_a_picture_several_moments(head, talk):
    row = next(iter(film(talk, head, size=SIZE, view="sheet")))
    sides = panels(row, 3)
    vertices = next(posed_frames(talk, head))
    for side, yaw in zip(sides, (0.0, 40.0, 90.0), strict=True):
        assert np.array_equal(side, draw(head, vertices, film_camera(subject_of(talk, head), SIZE, yaw)))
    sheet = still_picture(talk, head, size=SIZE, view="sheet", moments=3)
    assert sheet.size > 3 * row.size


def test_passes_stand_beside_each_other(head, talk):
    row = next(iter(film(talk, head, size=SIZE, passes=("shaded", *PASSES))))
    images = dict(zip(("shaded", *PASSES), panels(row, 6), strict=True))
    inside = images["mask"][..., 0] == 255
    assert 2000 < inside.sum() < 6000
    for name in ("albedo", "normals", "depth"):
        assert images[name][inside].max(-1).min() > 0, name
    outside = ~binary_dilation(images["mask"][..., 0] > 0)
    for name in PASSES:
        assert images[name][outside].max() <= 1, name


def test_two_tracks_are_in_step_and_their_distance_is_drawn(head, talk):
    # the same performance at another rate, begun earlier: at equal times the poses are equal
    params = talk.params.replace(jaw=torch.cat([torch.zeros(10, 3), talk.params.jaw.repeat_interleave(2, 0)]))
    rest = {
        f.name: getattr(params, f.name)[:1].expand(26, *getattr(params, f.name).shape[1:])
        for f in dataclasses.fields(params)
        if f.name not in ("shape", "jaw")
    }
    finer = talk.replace(params=params.replace(**rest), time_s=np.arange(26) / 20 - 0.5, fps=(20, 1))
    for frame in film(talk, head, size=SIZE, view="front", other=finer):
        left, right, heat = panels(frame, 3)
        assert np.array_equal(left, right)
        assert not np.array_equal(left, heat)

    shut = talk.replace(params=talk.params.replace(jaw=torch.zeros(8, 3)))
    frames = list(film(talk, head, size=SIZE, view="front", other=shut, names=("open", "shut")))
    left, right, heat = (p.astype(int) for p in panels(frames[-1], 3))
    assert np.abs(left - right).max() > 50
    hot = (heat[..., 0] - heat[..., 2])[:, 62:]  # beside the scale
    rows = np.nonzero(hot > 60)[0]
    assert len(rows) > 4 and rows.min() > 45  # the jaw, not the temple
    alike = panels(frames[0], 3)[2][:, 62:].astype(int)
    assert (alike[..., 0] - alike[..., 2]).max() < 40


def test_heads_of_other_meshes_are_compared_without_distances(head, talk):
    from flame_tools.surface.lod import at_detail

    coarse, lighter = at_detail(at_frames(talk, [0]), head, 0.1)
    row = next(iter(film(at_frames(talk, [0]), head, size=SIZE, other=coarse, other_head=lighter)))
    assert row.shape[1] == GAP + 2 * 104


def test_one_pass_is_named_alone(head, talk):
    named, listed = (next(iter(film(talk, head, size=(64, 64), passes=p))) for p in ("normals", ("normals",)))
    np.testing.assert_array_equal(named, listed)


def test_what_is_unknown_is_named(head, talk):
    with pytest.raises(InputError, match="no view 'above'; there are: portrait"):
        film(talk, head, view="above")
    with pytest.raises(InputError, match="no pass shadow; there are: shaded, albedo"):
        film(talk, head, passes=("shaded", "shadow"))
    with pytest.raises(InputError, match="no pass shadow; there are"):
        film(talk, head, passes="shadow")
    with pytest.raises(InputError, match="gl without a wireframe"):
        film(talk, head, backend="gl", wireframe=True)


def test_frames_at_uneven_times_are_shown_when_they_are(talk):
    times = np.concatenate([np.arange(4) / 20, 1.0 + np.arange(4) / 20])
    even = at_even_times(talk.replace(time_s=times, fps=None))
    assert even.fps == (20, 1) and len(even) == 24
    shown = dict(zip(even.time_s.round(3).tolist(), even.params.jaw[:, 0].tolist(), strict=True))
    for moment, jaw in zip(times, talk.params.jaw[:, 0].tolist(), strict=True):
        assert shown[round(float(moment), 3)] == pytest.approx(jaw, abs=1e-5)
    assert at_even_times(talk) is talk
