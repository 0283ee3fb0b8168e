"""Faces split in four: corners on the round surface, flat stays flat, creases stay creases."""

import numpy as np
import pytest
import trimesh

from flame_tools import load_head
from render.camera import portrait_camera
from render.kept_looks import look_of
from render.preview import draw_rgba


def finer(vertices, faces, normals):
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    split = look_of(Mesh(mesh)).rounded
    return split, split.points(np.float32(vertices), np.float32(normals))


class Mesh:
    """What a Look is made of."""

    def __init__(self, mesh: trimesh.Trimesh):
        self.vertices, self.faces = mesh.vertices, mesh.faces


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=2, radius=0.1)


def test_new_corners_lie_on_a_sphere(ball):
    split, points = finer(ball.vertices, ball.faces, ball.vertices / 0.1)
    assert np.array_equal(points[: len(ball.vertices)], np.float32(ball.vertices))
    assert len(points) == len(ball.vertices) + len(ball.edges_unique) and len(split.faces) == 4 * len(ball.faces)
    chord = 0.1 - np.linalg.norm(ball.vertices[ball.edges_unique].mean(1), axis=1)
    left = np.abs(np.linalg.norm(points[len(ball.vertices) :], axis=1) - 0.1)
    assert left.max() < 0.1 * chord.max()
    whole = trimesh.Trimesh(points, split.faces, process=False)
    assert whole.is_watertight and whole.is_winding_consistent and whole.volume > ball.volume


def test_flat_stays_flat_and_creases_stay():
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    _, even = finer(box.vertices, box.faces, np.tile([0.0, 0.0, 1.0], (8, 1)))
    assert even[:, 2].min() >= -0.05 and even[:, 2].max() <= 0.05
    quad, normals = np.float64([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.tile([0.0, 0.0, 1.0], (4, 1))
    assert not finer(quad, [[0, 1, 2], [0, 2, 3]], normals)[1][:, 2].any()
    normals[1:3] = [1.0, 0.0, 0.0]  # a right angle from left to right
    middles = finer(quad, [[0, 1, 2], [0, 2, 3]], normals)[1][4:]
    assert set(np.unique(middles[:, :2])) <= {0.0, 0.5, 1.0} and not middles[:, 2].any()


def test_large_pictures_have_round_outlines_and_small_ones_are_cheap(ball):
    """The picture of a ball in parallel light covers a disc."""
    mesh = Mesh(ball)
    shares = {}
    for size in (64, 480):
        camera = portrait_camera((size, size), ball.vertices, orthographic=True, fill=0.9)
        disc = np.pi * (0.1 * camera.focal[0]) ** 2
        shares[size] = draw_rgba(mesh, ball.vertices, camera)[..., 3].sum() / 255 / disc
    assert 1 - shares[480] < 0.4 * (1 - shares[64])  # twice the corners: a quarter of what is missing, and noise


def test_eyeballs_are_left_as_they_are():
    head = load_head()
    look = look_of(head)
    eyes = np.concatenate([head.arrays.regions[name] for name in ("left_eyeball", "right_eyeball")])
    assert not look.rounded.round[np.isin(look.rounded.ends, eyes).all(1)].any()
