"""The identity nearest to MediaPipe's canonical face, and to the landmarks of faces whose identity is known."""

import numpy as np

from flame_tools.load import load_head
from flame_tools.surface.alignment import align
from tools.head.canonical_identity import canonical_identity, nearest_identity


def test_an_identity_is_found_whatever_its_size_place_and_turn():
    arrays = load_head("default").arrays
    marks = arrays.landmarks["468"]
    true = np.random.default_rng(0).normal(size=len(arrays.shape_names))
    rest = arrays.v_template + arrays.shapedirs.astype(np.float64) @ true
    points = np.einsum("lk,lkc->lc", marks.barycentrics.astype(np.float64), rest[arrays.faces[marks.faces]])
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    found = nearest_identity(arrays, 1.3 * points @ turn + 0.2)

    def marks_of(identity):
        v = arrays.v_template + arrays.shapedirs @ identity
        return np.einsum("lk,lkc->lc", marks.barycentrics, v[arrays.faces[marks.faces]])

    def off(identity):
        here = marks_of(identity)
        return np.linalg.norm(align(here, points, kind="similarity")(here) - points, axis=1).mean()

    assert off(found) < 0.35 * off(np.zeros_like(true))
    assert np.corrcoef(found, true)[0, 1] > 0.5


def test_the_head_has_what_was_found_and_it_is_even():
    head = load_head("default").arrays
    np.testing.assert_allclose(head.people_mean, canonical_identity(), atol=1e-6)
    assert 3 < np.linalg.norm(head.people_mean) < 6  # a person as unlike the mean face as people are, and no monster
    moved = head.shapedirs @ head.people_mean
    assert np.abs(moved[head.mirror] * [-1, 1, 1] - moved).max() < 1e-3
