"""The 68 landmarks of heads that come without, found by what moves alike."""

import dataclasses

import numpy as np
import pytest

from flame_tools.characters.character import read_character
from flame_tools.characters.landmarks import with_landmarks
from flame_tools.load import head_arrays
from tests.flame_tools.characters.made import mesh_glb
from tests.shared_data import shared_file

JAW = 17  # of the 68 are the jaw line, along which places slide


def points(arrays):
    marks = arrays.landmarks["68"]
    return np.einsum("lk,lkc->lc", marks.barycentrics, arrays.v_template[arrays.faces[marks.faces]].astype(np.float64))


@pytest.fixture(scope="module")
def guide():
    return head_arrays("default")


def test_on_ict_they_are_near_its_own(guide):
    """Two artists' 68 differ by themselves: carried over by dense correspondence, by 3 mm off the jaw line."""
    known = head_arrays(shared_file("heads/ict_facekit.npz"))
    found = with_landmarks(dataclasses.replace(known, landmarks={}), guide)
    error = 1000 * np.linalg.norm(points(found) - points(known), axis=1)
    assert error[JAW:].mean() < 3.5 and error[JAW:].max() < 9.0
    assert error[:JAW].mean() < 13.0
    # Upper and lower lip are told apart although they lie within a millimetre.
    lips = {name: set(known.inner_lip_pairs[:, i]) for i, name in enumerate(("upper", "lower"))}
    marks = found.landmarks["68"]
    corners = found.faces[marks.faces, marks.barycentrics.argmax(1)]
    assert not set(corners[[61, 62, 63]]) & lips["lower"] and not set(corners[[65, 66, 67]]) & lips["upper"]


def test_the_dense_ones_of_ict(guide):
    """MediaPipe's 468 and the irises lie where the default head has them, as seen from ICT's own 68."""
    found = head_arrays(shared_file("heads/ict_facekit.npz"))
    rest = found.v_template.astype(np.float64)

    def at(name, arrays=found):
        marks = arrays.landmarks[name]
        return np.einsum("lk,lkc->lc", marks.barycentrics, arrays.v_template[arrays.faces[marks.faces]])

    mesh, iris, own = at("468"), at("iris"), at("68")
    assert len(mesh) == 468 and len(iris) == 10
    # pairs of (468, 68): corners of eyes and mouth, tip of the nose, lips' middle
    for dense, sparse in ((33, 36), (133, 39), (362, 42), (263, 45), (61, 48), (291, 54), (13, 62), (14, 66)):
        assert np.linalg.norm(mesh[dense] - own[sparse]) < 0.004, (dense, sparse)
    balls = [found.regions[f"{side}_eyeball"] for side in ("right", "left")]
    for points, ball in zip((iris[:5], iris[5:]), balls, strict=True):
        away = np.linalg.norm(rest[ball, None] - points[None], axis=-1).min(0)
        assert away.max() < 0.0015 and points[0, 2] > points[1:, 2].max()
    corners = {n: found.faces[found.landmarks["468"].faces[n]] for n in (13, 14)}  # upper and lower inner lip
    lips = [set(found.inner_lip_pairs[:, i]) for i in (0, 1)]
    assert not set(corners[13]) & lips[1] and not set(corners[14]) & lips[0]


def test_on_another_scale_of_the_same_face(source, shapes, guide, tmp_path):
    """A child's head: smaller, narrower, standing elsewhere."""
    turn = 0.8 * np.diag([0.9, 1.0, 1.0])
    path = tmp_path / "child.glb"
    moved = source.arrays.v_template @ turn.T + [0.0, 1.2, 0.0]
    path.write_bytes(mesh_glb(moved, source.arrays.faces, {n: o @ turn.T for n, o in shapes.items()}))
    found = with_landmarks(read_character(path), guide)
    error = 1000 * np.linalg.norm(points(found) - (points(guide) @ turn.T + [0.0, 1.2, 0.0]), axis=1)
    assert error.mean() < 2.0


def test_a_face_without_lips_gets_none(source, shapes, guide, tmp_path):
    few = {name: shapes[name] for name in ("eyeBlinkLeft", "eyeBlinkRight")}
    (tmp_path / "a.glb").write_bytes(mesh_glb(source.arrays.v_template, source.arrays.faces, few))
    assert with_landmarks(read_character(tmp_path / "a.glb"), guide).landmarks == {}
