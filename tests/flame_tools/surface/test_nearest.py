"""Nearest points against brute force and against surfaces whose answer is known."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import ShapeError
from flame_tools.surface.nearest import Surface
from tests.flame_tools.surface.shapes import sphere


def brute_force(points, vertices, faces):
    """Distance [N] to the best of all edges, and of all planes whose foot lies inside their triangle."""
    a, b, c = (vertices[faces[:, k]][None] for k in range(3))  # [1, F, 3]
    p = points[:, None]
    best = np.full((len(points), len(faces)), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        d = end - start
        length = (d * d).sum(-1)
        t = np.divide(((p - start) * d).sum(-1), length, out=np.zeros(best.shape), where=length > 0)
        foot = start + np.clip(t, 0, 1)[..., None] * d
        best = np.minimum(best, np.linalg.norm(p - foot, axis=-1))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal = normal / np.maximum(area, 1e-300)
    height = ((p - a) * normal).sum(-1, keepdims=True)
    foot = p - height * normal
    inside = np.ones(best.shape, bool) & (area[..., 0] > 1e-9)
    for start, end in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(end - start, foot - start) * normal).sum(-1) >= 0
    return np.where(inside, np.minimum(best, abs(height[..., 0])), best).min(1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 70), st.sampled_from(["free", "flat", "needles", "far"]))
def test_distance_equals_brute_force(seed, count, kind):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(3 * count, 3))
    faces = rng.integers(0, len(vertices), (count, 3))  # some share corners, some are degenerate
    if kind == "flat":
        vertices[:, 2] = 0
    if kind == "needles":
        vertices[:, 1:] *= 1e-6
    points = rng.normal(size=(40, 3)) * (100 if kind == "far" else 1)
    points[:5] = vertices[rng.integers(0, len(vertices), 5)]
    found = Surface(vertices, faces).nearest(points)
    np.testing.assert_allclose(found.distance, brute_force(points, vertices, faces), rtol=1e-9, atol=1e-7)
    places = np.einsum("nk,nkc->nc", found.barycentrics, vertices[faces[found.faces]])
    np.testing.assert_allclose(places, found.points, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(points - places, axis=1), found.distance, rtol=1e-9, atol=1e-7)
    assert found.barycentrics.min() >= 0
    np.testing.assert_allclose(found.barycentrics.sum(1), 1, atol=1e-12)


def test_side_tells_inside_from_outside_at_faces_edges_and_vertices():
    vertices, faces = sphere()
    surface = Surface(vertices, faces)
    edges = (vertices[faces[:, 0]] + vertices[faces[:, 1]]) / 2
    for scale, wanted in ((1.3, 1), (0.7, -1)):
        for base in (vertices, edges, vertices[faces].mean(1)):
            points = base * scale
            assert (surface.side(points, surface.nearest(points)) == wanted).all()


def test_normals_keep_the_back_from_answering_for_the_front():
    vertices, faces = sphere()
    thin = vertices * [1, 1, 0.01]  # a disc: its two sides are 2 cm apart
    surface = Surface(thin, faces)
    points = np.array([[0.3, 0.2, 0.0001], [0.3, 0.2, -0.0001]])
    down = np.tile([0, 0, -1.0], (2, 1))
    assert (surface.nearest(points, normals=down).points[:, 2] < 0).all()
    assert surface.nearest(points).points[0, 2] > 0
    none = surface.nearest(points, normals=np.tile([0, 0, 1.0], (2, 1)), max_angle_deg=60, within=1e-6)
    assert not none.found.any() and np.isinf(none.distance).all() and np.isnan(none.points).all()


def test_masks_leave_a_part_and_keep_the_numbering():
    vertices, faces = sphere()
    upper = Surface(vertices, faces, vertex_mask=vertices[:, 2] > -1e-9)
    found = upper.nearest(np.array([[0.1, 0.2, -5.0]]))
    assert (vertices[faces[found.faces[0]]][:, 2] > -1e-9).all() and found.points[0, 2] > -1e-9
    only = np.arange(len(faces)) == 7
    assert (Surface(vertices, faces, face_mask=only).nearest(vertices).faces == 7).all()
    with pytest.raises(ShapeError, match="masks leave none"):
        Surface(vertices, faces, vertex_mask=np.zeros(len(vertices), bool))


def test_refusals_say_what_was_found():
    vertices, faces = sphere()
    with pytest.raises(ShapeError, match="of its 3 vertices"):
        Surface(vertices[:3], faces)
    with pytest.raises(ShapeError, match="finite"):
        Surface(vertices * np.nan, faces)
    with pytest.raises(ShapeError, match=r"\[4\]"):
        Surface(vertices, faces).nearest(np.zeros(4))


def test_quick_on_a_head_sized_mesh():
    vertices, faces = sphere(160)  # 102,000 triangles
    surface = Surface(vertices, faces)
    points = np.random.default_rng(0).normal(size=(26_000, 3))
    surface.nearest(points[:10])  # compiles, builds the tree
    start = time.process_time()
    found = surface.nearest(points / np.linalg.norm(points, axis=1, keepdims=True))
    assert time.process_time() - start < 1.0  # 0.15 s on a quiet core
    assert found.distance.max() < 1e-3


def test_rim_is_where_only_one_face_is():
    vertices, faces = sphere()
    kept = vertices[faces][:, :, 2].mean(1) > 0.1  # a cap
    cap = Surface(vertices, faces[kept])
    points = np.array([[0.0, 0.0, 2.0], [0.8, 0.0, -0.5]])
    assert cap.on_rim(cap.nearest(points)).tolist() == [False, True]
    whole = Surface(vertices, faces)
    assert not whole.on_rim(whole.nearest(points)).any()
