"""Points found again on another mesh."""

import numpy as np

from flame_tools import Embedding, load_head
from flame_tools.surface.embedding import carry, closest_barycentrics
from flame_tools.surface.lod import simplify, telling_poses
from flame_tools.surface.nearest import Surface


def test_the_closest_place_of_a_triangle_is_the_closest_in_any_dimension():
    random = np.random.default_rng(0)
    corners, points = random.normal(size=(200, 3, 3)), 2.0 * random.normal(size=(200, 3))
    found = closest_barycentrics(points, corners)
    assert (found >= 0.0).all() and np.allclose(found.sum(-1), 1.0)
    place = np.einsum("nc,ncd->nd", found, corners)
    for triangle, point, near in zip(corners, points, place, strict=True):
        other = Surface(triangle, np.array([[0, 1, 2]])).nearest(point[None]).points[0]
        assert np.abs(near - other).max() < 1e-9
    # In six dimensions: no place of a fine grid over the triangle is nearer.
    corners, points = random.normal(size=(3, 6)), random.normal(size=6)
    a, b = np.meshgrid(*2 * [np.linspace(0.0, 1.0, 101)])
    grid = np.stack([a, b, 1.0 - a - b], -1)[a + b <= 1.0]
    best = np.linalg.norm(closest_barycentrics(points, corners) @ corners - points)
    assert best <= np.linalg.norm(grid @ corners - points, axis=1).min() + 1e-12


def test_marks_come_back_on_the_same_mesh_and_stay_on_their_lip_on_another():
    full = load_head().arrays
    low = simplify(full, ratio=0.2)
    marks = full.landmarks["68"]
    poses = telling_poses(full)[:2]
    same = carry(poses, full.faces, poses, full.faces)(marks)

    def on(vertices: np.ndarray, faces: np.ndarray, at: Embedding) -> np.ndarray:
        return np.einsum("lc,lcd->ld", at.barycentrics, vertices[faces[at.faces]])

    for pose in poses:
        assert np.abs(on(pose, full.faces, same) - on(pose, full.faces, marks)).max() < 1e-8
    opened = telling_poses(low)[1]
    away = np.linalg.norm(on(opened, low.faces, low.landmarks["68"]) - on(poses[1], full.faces, marks), axis=1)
    assert away[60:].max() < 2e-3  # the inner lips, 20 mm apart now; a mark on the wrong one would be there
