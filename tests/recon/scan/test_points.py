"""A scan as points with normals, whatever it was."""

import numpy as np
import pytest
import trimesh

from recon.scan.file import Scan
from recon.scan.points import grid_chosen, oriented_points, rim_vertices, smooth_normals, turned_outward, welded

RADIUS = 0.1


@pytest.fixture(scope="module")
def ball() -> Scan:
    mesh = trimesh.creation.icosphere(4, RADIUS)
    return Scan(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32))


@pytest.fixture(scope="module")
def bowl(ball) -> Scan:
    """The ball with its top cut away."""
    low = (ball.vertices[ball.faces][:, :, 1] < 0.05).all(1)
    return Scan(ball.vertices, ball.faces[low])


@pytest.mark.parametrize("cloud", [False, True])
def test_points_lie_on_the_surface_with_its_normals(ball, cloud):
    noisy = ball.vertices + np.random.default_rng(0).normal(size=ball.vertices.shape) * 2e-4
    scan = Scan(noisy, np.zeros((0, 3), np.int32) if cloud else ball.faces)
    found = oriented_points(scan, step=0.004)
    assert found.signed is not cloud
    radial = found.points / np.linalg.norm(found.points, axis=1, keepdims=True)
    cosine = (radial * found.normals).sum(1)
    assert (cosine if found.signed else np.abs(cosine)).mean() > 0.99
    off = np.linalg.norm(found.points, axis=1) - RADIUS
    assert np.abs(off).mean() < 3e-4  # facets 0.2 mm inside the ball, and what is left of the noise
    assert not found.rim.any() or cloud


def test_the_rim_is_where_the_surface_ends(bowl):
    found = oriented_points(bowl, step=0.004)
    assert found.points[found.rim][:, 1].min() > 0.03
    top = found.points[:, 1] > 0.044
    assert found.rim[top].mean() > 0.6
    cloud = oriented_points(Scan(bowl.vertices[np.unique(bowl.faces)], np.zeros((0, 3), np.int32)), step=0.005)
    assert cloud.rim[cloud.points[:, 1] > 0.046].mean() > 0.6
    assert cloud.rim[cloud.points[:, 1] < 0.02].mean() < 0.05


def test_vertices_split_at_every_edge_are_one_surface(ball):
    soup = ball.vertices[ball.faces].reshape(-1, 3)
    faces = np.arange(len(soup)).reshape(-1, 3)
    assert len(np.unique(welded(soup, faces))) == len(ball.vertices)
    assert not rim_vertices(soup, faces).any()
    normals = smooth_normals(soup, faces)
    assert (normals * soup / RADIUS).sum(1).min() > 0.99


def test_inside_out_meshes_are_turned(bowl):
    assert (turned_outward(bowl.vertices, bowl.faces) == bowl.faces).all()
    assert (turned_outward(bowl.vertices, bowl.faces[:, ::-1]) == bowl.faces).all()


def test_one_point_a_cell_and_the_same_ones_each_time():
    points = np.random.default_rng(1).random((5000, 3))
    chosen = grid_chosen(points, 0.25)
    assert len(chosen) == 64
    cells = np.floor((points[chosen] - points.min(0)) / 0.25)
    assert len(np.unique(cells, axis=0)) == 64
    assert (chosen == grid_chosen(points, 0.25)).all()
