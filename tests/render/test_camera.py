"""Cameras: pixels, clip space and framing."""

import numpy as np
import pytest
import torch

from flame_tools.errors import ShapeError
from flame_tools.types import Camera
from render.camera import at_frame, clip_matrix, cut, look_at, portrait_camera, project, to_clip


def random_points(seed=0, count=50):
    return np.random.default_rng(seed).normal(0, 0.1, (count, 3))


@pytest.mark.parametrize("orthographic", [False, True])
def test_clip_space_lands_on_the_pixels_of_the_opencv_projection(orthographic):
    camera = portrait_camera((320, 200), random_points(), yaw_deg=25, pitch_deg=-10, orthographic=orthographic)
    camera = Camera(
        camera.focal * [1.0, 1.2], camera.centre + np.array([7, -3]), camera.size, orthographic, camera.world_to_camera
    )
    points = random_points(1)
    clip = to_clip(points, camera)
    ndc = clip[:, :3] / clip[:, 3:]
    pixels = np.stack([(ndc[:, 0] * 0.5 + 0.5) * 320, (0.5 - ndc[:, 1] * 0.5) * 200], 1)
    seen = project(points, camera)
    np.testing.assert_allclose(pixels, seen[:, :2], atol=1e-9)
    if not orthographic:
        np.testing.assert_allclose(clip[:, 3], seen[:, 2], atol=1e-12)


def test_the_default_pose_looks_along_minus_z_with_y_up():
    camera = Camera(np.array([100.0, 100.0]), np.array([50.0, 40.0]), (100, 80))
    seen = project(np.array([[0.1, 0.2, -1.0]]), camera)[0]
    np.testing.assert_allclose(seen, [50 + 10, 40 - 20, 1.0])


def test_near_plane_is_where_z_equals_minus_w():
    camera = Camera(np.array([100.0, 100.0]), np.array([50.0, 40.0]), (100, 80))
    clip = np.array([0, 0, -0.5, 1.0]) @ clip_matrix(camera, near=0.5, far=2).T
    np.testing.assert_allclose(clip[2], -clip[3], atol=1e-12)


def test_points_behind_a_perspective_camera_have_no_pixel():
    camera = Camera(np.array([100.0, 100.0]), np.array([50.0, 40.0]), (100, 80))
    seen = project(np.array([0.0, 0.0, 1.0]), camera)
    assert np.isnan(seen[:2]).all() and seen[2] == -1


def test_project_carries_gradients_and_kind():
    camera = portrait_camera((64, 64), random_points())
    points = torch.from_numpy(random_points(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: project(p, camera), (points,))
    assert project(random_points(2).astype(np.float32), camera).dtype == np.float32


def test_cameras_with_frames_broadcast():
    pose = np.stack([look_at((0, 0, 1), (0, 0, 0)), look_at((1, 0, 1), (0, 0, 0))])
    camera = Camera(np.array([100.0, 100.0]), np.array([32.0, 32.0]), (64, 64), False, pose)
    seen = project(random_points(), camera)
    assert seen.shape == (2, 50, 3)
    np.testing.assert_allclose(seen[1], project(random_points(), at_frame(camera, 1)))


@pytest.mark.parametrize("yaw_deg", [-90, -35, 0, 60, 180])
@pytest.mark.parametrize("orthographic", [False, True])
@pytest.mark.parametrize("size", [(200, 300), (300, 200)])
def test_a_portrait_holds_its_subject(yaw_deg, orthographic, size):
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 3), -1).reshape(-1, 3)
    ball = grid / np.linalg.norm(grid, axis=1, keepdims=True).clip(1) * [0.09, 0.14, 0.11] + [0.3, 1.0, 2.0]
    camera = portrait_camera(size, ball, yaw_deg=yaw_deg, orthographic=orthographic)
    seen = project(ball, camera)[:, :2]
    assert (seen > 0).all() and (seen < size).all()
    assert (np.ptp(seen, axis=0) / size).max() > 0.5


def test_positive_yaw_sees_the_subjects_left_and_positive_pitch_the_top():
    bounds = np.array([[-0.1, -0.1, -0.1], [0.1, 0.1, 0.1]])
    camera = portrait_camera((100, 100), bounds, yaw_deg=90, pitch_deg=30)
    depth = project(np.array([[0.1, 0, 0], [-0.1, 0, 0], [0, 0.1, 0], [0, -0.1, 0]]), camera)[:, 2]
    assert depth[0] < depth[1] and depth[2] < depth[3]


def test_refusals_name_what_was_wrong():
    with pytest.raises(ShapeError, match="cannot frame 0 points"):
        portrait_camera((10, 10), np.zeros((0, 3)))
    with pytest.raises(ShapeError, match="coincide"):
        look_at((0, 1, 0), (0, 0, 0))
    with pytest.raises(ShapeError, match="depth range"):
        clip_matrix(portrait_camera((10, 10), random_points()), near=2, far=1)
    with pytest.raises(ShapeError, match=r"\[50, 2\]"):
        project(random_points()[:, :2], portrait_camera((10, 10), random_points()))


def test_a_cut_shows_its_part_of_the_picture():
    points = np.random.default_rng(0).normal(0, 0.1, (20, 3))
    for orthographic in (False, True):
        camera = portrait_camera((300, 200), points, yaw_deg=20, orthographic=orthographic)
        part = cut(camera, (30, 50, 120, 80), (60, 20))
        assert part.size == (60, 20)
        wanted = (project(points, camera)[:, :2] - [30, 50]) * [0.5, 0.25]
        np.testing.assert_allclose(project(points, part)[:, :2], wanted, atol=1e-9)
    with pytest.raises(ShapeError, match="cannot cut 0 x 80 pixels"):
        cut(camera, (0, 0, 0, 80), (4, 4))
