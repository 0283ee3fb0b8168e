"""WebP and GIF loops, and turntables."""

import numpy as np
import pytest
import torch
from PIL import Image

import emberface
from flame_tools import load_head
from flame_tools.errors import InputError, OutputError, ShapeError
from flame_tools.posing import still
from flame_tools.types import Mesh
from render.animation import write_animation
from render.camera import portrait_camera
from render.film import turntable
from render.preview import draw
from tests.render.test_raster import ball


def film(count, size=(20, 30)):
    for k in range(count):
        frame = np.full((*size, 3), 40, np.uint8)
        frame[:, (2 * k) % size[1] : (2 * k) % size[1] + 4] = (200, 80, 40)
        yield frame


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_a_loop_has_its_frames_its_length_and_its_pictures(tmp_path, kind):
    path = tmp_path / f"loop.{kind}"
    assert write_animation(path, film(14), 30) == 14
    with Image.open(path) as image:
        assert image.n_frames == 14 and image.info["loop"] == 0 and image.size == (30, 20)
        total = 0
        for k, frame in enumerate(film(14)):
            image.seek(k)
            image.load()
            total += image.info["duration"]
            error = np.abs(np.asarray(image.convert("RGB")).astype(int) - frame).mean()
            assert error < 6, (k, error)
    assert abs(total - 14 * 1000 / 30) <= 10
    first = path.read_bytes()
    write_animation(path, film(14), 30)
    assert path.read_bytes() == first


def test_a_gif_knows_colours_that_come_late_and_what_stands_still_does_not_flicker(tmp_path):
    ramp = np.linspace(30, 90, 64).astype(np.uint8)[None, :, None].repeat(48, 0).repeat(3, 2)

    def frames():
        for k in range(12):
            frame = ramp.copy()
            frame[:12, :12] = (20, 200, 60) if k > 9 else (200, 40, 40)
            yield frame

    write_animation(tmp_path / "a.gif", frames(), 10)
    shown, times = [], []
    with Image.open(tmp_path / "a.gif") as image:
        for k in range(image.n_frames):
            image.seek(k)
            times.append(image.info["duration"])
            shown.append(np.asarray(image.convert("RGB")).astype(int))
    assert times == [1000, 200]  # equal pictures are packed as one
    assert np.abs(shown[1][:12, :12] - (20, 200, 60)).max() < 8
    assert np.array_equal(shown[0][12:], shown[1][12:])
    assert np.abs(shown[0][12:] - ramp[12:]).mean() < 2.5


def test_a_performance_of_thirty_frames_a_second_becomes_a_gif_of_fifteen(tmp_path):
    head = load_head()
    one = still(head, head.v_template.new_zeros(head.shape_size))
    params = one.params.map(lambda t: t.expand(9, *t.shape[1:]) if t.ndim > 1 else t)
    jaw = torch.linspace(0, 0.3, 9)[:, None] * torch.eye(3)[0]
    track = one.replace(params=params.replace(jaw=jaw), time_s=np.arange(9) / 30, fps=(30, 1))
    emberface.render(track, tmp_path / "a.gif", head=head, size=(48, 48))
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 5
        times = []
        for k in range(5):
            image.seek(k)
            times.append(image.info["duration"])
    assert set(times) == {60, 70} and abs(sum(times) - 5000 / 15) <= 10


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match=r"end in \.webp or \.gif"):
        write_animation(tmp_path / "a.mp4", film(2), 30)
    with pytest.raises(InputError, match="no frame"):
        write_animation(tmp_path / "a.gif", [], 30)
    with pytest.raises(InputError, match="at most 50 frames a second, not 60"):
        write_animation(tmp_path / "a.gif", film(2), 60)
    with pytest.raises(ShapeError, match="fps is 0"):
        write_animation(tmp_path / "a.webp", film(2), 0)
    with pytest.raises(InputError, match="more than 2 frames of 4 x 4"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("render.animation.MOST_BYTES", 2 * 48)
        write_animation(tmp_path / "a.webp", [np.zeros((4, 4, 3), np.uint8)] * 3, 30)
    mixed = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]
    with pytest.raises(ShapeError, match="frame 1"):
        write_animation(tmp_path / "a.webp", mixed, 30)
    assert list(tmp_path.iterdir()) == []


def test_a_turntable_walks_once_round():
    points, faces = ball(12, 16)
    points = points + [0.0, 0.0, 0.05] * (points[:, 2:] > 0.09)  # a nose
    mesh = Mesh(points, faces)
    frames = list(turntable(mesh, points, size=(60, 60), frames=8, threads=1))
    assert len(frames) == 8
    for k in (0, 2, 7):
        view = portrait_camera((60, 60), points, yaw_deg=45 * k)
        assert np.array_equal(frames[k], draw(mesh, points, view))
    assert all(np.abs(frames[k].astype(int) - frames[k - 1]).max() > 20 for k in range(8))
