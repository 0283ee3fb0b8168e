"""Passes against what is known of a ball and of the default head."""

import numpy as np
import pytest

from flame_tools import InputError, ShapeError, load_head
from flame_tools.types import Mesh
from render.camera import portrait_camera
from render.passes import draw_pass
from render.preview import draw, draw_rgba, head_bounds
from tests.render.test_raster import ball


@pytest.fixture(scope="module")
def sphere():
    points, faces = ball(48, 64)
    return Mesh(points, faces), points


def test_normals_of_a_ball_are_its_places_in_view_axes(sphere):
    mesh, points = sphere
    camera = portrait_camera((80, 80), points, yaw_deg=70, pitch_deg=20, orthographic=True)
    image = draw_pass(mesh, points, camera, "normals").astype(float)
    inside = draw_pass(mesh, points, camera, "mask")[..., 0] == 255
    radius = np.ptp(points[:, 0]) / 2 * camera.focal[0]
    y, x = np.nonzero(inside)
    wanted = np.stack([(x + 0.5 - 40) / radius, (40 - y - 0.5) / radius], 1)
    found = (image[y, x] - 128) / 127
    central = np.linalg.norm(wanted, axis=1) < 0.9
    assert np.abs(found[:, :2] - wanted)[central].max() < 0.03
    assert (found[central, 2] > 0.3).all()


def test_depth_runs_from_white_to_black_over_its_range(sphere):
    mesh, points = sphere
    camera = portrait_camera((60, 60), points)
    near = draw_pass(mesh, points, camera, "depth").astype(int)
    assert near.max() >= 253 and near[0, 0].max() == 0
    middle = draw_pass(mesh, points, camera, "depth", depth_m=(0.0, 100.0)).astype(int)
    assert middle[30, 30, 0] > 250 and np.ptp(middle[25:35, 25:35]) <= 1


def test_unlit_colours_are_those_of_the_texture():
    head = load_head()
    vertices, camera = head.arrays.v_template, portrait_camera((120, 120), head_bounds(head))
    flat = np.full((64, 64, 3), (200, 120, 40), np.uint8)
    image = draw_pass(head, vertices, camera, "albedo", albedo=flat)
    assert np.abs(image[35, 60].astype(int) - (200, 120, 40)).max() <= 1  # the forehead
    cover = draw_rgba(head, vertices, camera)[..., 3]
    assert np.array_equal(draw_pass(head, vertices, camera, "mask")[..., 0], cover)
    assert image[cover == 0].max() == 0


def test_close_lines_of_a_mesh_grow_faint():
    head = load_head()
    vertices = head.arrays.v_template
    darker = []
    for side in (64, 512):
        camera = portrait_camera((side, side), head_bounds(head))
        plain, wired = (draw(head, vertices, camera, wireframe=w).astype(float) for w in (False, True))
        inside = draw_rgba(head, vertices, camera)[..., 3] == 255
        darker.append((plain - wired)[inside].mean())
    assert 4 < darker[0] < 40 and 4 < darker[1] < 40


def test_what_cannot_be_drawn_is_named(sphere):
    mesh, points = sphere
    camera = portrait_camera((20, 20), points)
    with pytest.raises(InputError, match="no pass 'shadow'; there are: albedo"):
        draw_pass(mesh, points, camera, "shadow")
    with pytest.raises(ShapeError, match="no uv"):
        draw_pass(mesh, points, camera, "uv")
    with pytest.raises(ShapeError, match="vertices are"):
        draw_pass(mesh, points[:-1], camera, "normals")
