import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from readers.detection import _ANCHORS, detect, merge, overlap


def test_anchors_are_the_published_grid():
    assert _ANCHORS.shape == (896, 2)
    assert np.unique(_ANCHORS[:512], axis=0).shape == (256, 2)
    assert np.unique(_ANCHORS[512:], axis=0).shape == (64, 2)
    np.testing.assert_allclose(_ANCHORS[0], 0.5 / 16)


def test_overlap_of_known_boxes():
    box = np.array([0.0, 0, 2, 2])
    others = np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])
    np.testing.assert_allclose(overlap(box, others), [1, 1 / 3, 0])


@given(st.integers(0, 2**31))
def test_merged_boxes_do_not_depend_on_their_order(seed):
    rng = np.random.default_rng(seed)
    low = rng.random((12, 2)) * 10
    boxes, points, scores = (
        np.concatenate([low, low + 1 + rng.random((12, 2))], 1),
        rng.random((12, 6, 2)),
        rng.random(12),
    )
    order = rng.permutation(12)
    one, two = merge(boxes, points, scores), merge(boxes[order], points[order], scores[order])
    assert len(one) == len(two) <= 12
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a.box, b.box)
        assert a.score == b.score


def test_merge_weighs_by_score():
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10]])
    (one,) = merge(boxes, np.zeros((2, 6, 2)), np.array([0.9, 0.6]))
    np.testing.assert_allclose(one.box, 0.6 * boxes[0] + 0.4 * boxes[1])
    assert one.score == 0.9


def test_the_portrait_holds_one_face_where_it_is(astronaut):
    face, *rest = detect(astronaut)
    assert all(other.score < 0.7 for other in rest)  # the landmark network sorts these out
    assert face.score > 0.85
    np.testing.assert_allclose((face.box[:2] + face.box[2:]) / 2, [225, 128], atol=8)
    right_eye, left_eye, nose, mouth = face.points[:4]
    assert right_eye[0] < nose[0] < left_eye[0] and right_eye[1] < nose[1] < mouth[1]


def test_a_small_face_in_a_large_picture_is_found(astronaut):
    picture = np.full((1500, 2000, 3), 120, np.uint8)
    picture[900:1412, 1300:1812] = astronaut  # the face is 107 of 2000 pixels
    face = detect(picture)[0]
    np.testing.assert_allclose((face.box[:2] + face.box[2:]) / 2, [1525, 1028], atol=10)


def test_nothing_is_found_where_nothing_is():
    rng = np.random.default_rng(0)
    assert detect(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)) == []
    assert detect(np.zeros((1, 1, 3), np.uint8)) == []
