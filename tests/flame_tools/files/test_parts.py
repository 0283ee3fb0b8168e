import dataclasses
import pickle

import numpy as np
import pytest
import torch

from flame_tools import FaceParams, FormatError, Head, load_head
from flame_tools.files.derived import complete
from flame_tools.files.flame import read_flame
from flame_tools.files.parts import add_part
from flame_tools.load import PARTS, read_files
from tests.flame_tools.files.published import skin_and_eyes, write_flame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and all its parts as they are published."""
    folder = tmp_path_factory.mktemp("FLAME2020")
    return write_flame(folder)


@pytest.fixture(scope="module")
def model(folder):
    return read_flame(folder / "generic_model.pkl")


@pytest.fixture(scope="module")
def whole(folder):
    return read_files([folder])


@pytest.fixture(scope="module")
def default():
    """The default head, and the row among the model's vertices of each of its own (-1: none)."""
    head, vertices, _ = skin_and_eyes()
    row = np.full(len(head.v_template), -1)
    row[vertices] = np.arange(len(vertices))
    return head, row


def places(head, name):
    marks = head.landmarks[name]
    return np.einsum("lk,lkc->lc", marks.barycentrics, head.v_template[head.faces[marks.faces]])


# --- landmarks --------------------------------------------------------------------------------------------------------


def test_all_landmarks_of_one_file(model, folder, default):
    head = add_part(model, folder / "landmark_embedding.npy")
    np.testing.assert_allclose(places(head, "68"), places(default[0], "68"), atol=1e-7)
    np.testing.assert_allclose(places(head, "51"), places(default[0], "68")[17:], atol=1e-7)
    assert head.contour.faces.shape == (79, 17) and head.contour.barycentrics.shape == (79, 17, 3)
    np.testing.assert_array_equal(head.contour.faces[40], head.landmarks["68"].faces[:17])


def test_two_points_more_are_the_eyes(model, folder, tmp_path):
    """As VHAP writes them: 53 and 70, with the older files' lists of rows in place of arrays."""
    plain = add_part(model, folder / "landmark_embedding.npy")
    content = {"lmk_face_idx": list(plain.contour.faces), "lmk_b_coords": list(plain.contour.barycentrics)}
    for kind, marks in (("static", plain.landmarks["51"]), ("full", plain.landmarks["68"])):
        content[f"{kind}_lmk_faces_idx"] = np.append(marks.faces, marks.faces[:2])
        content[f"{kind}_lmk_bary_coords"] = np.append(marks.barycentrics, marks.barycentrics[:2], 0)
    np.save(tmp_path / "with_eyes.npy", content, allow_pickle=True)
    head = add_part(model, tmp_path / "with_eyes.npy")
    for name in ("51", "68"):
        np.testing.assert_array_equal(head.landmarks[name].faces, plain.landmarks[name].faces)
    np.testing.assert_array_equal(head.contour.faces, plain.contour.faces)


def test_the_two_older_files_give_the_same(model, folder):
    head = add_part(add_part(model, folder / "flame_static_embedding.pkl"), folder / "flame_dynamic_embedding.npy")
    newer = add_part(model, folder / "landmark_embedding.npy")
    np.testing.assert_array_equal(head.landmarks["51"].faces, newer.landmarks["51"].faces)
    np.testing.assert_array_equal(head.contour.faces, newer.contour.faces)
    assert "68" not in head.landmarks
    np.testing.assert_allclose(places(complete(head), "68"), places(newer, "68"), atol=1e-9)


def test_mediapipes_subset_knows_its_numbers(model, folder, default):
    marks = add_part(model, folder / "mediapipe_landmark_embedding.npz").landmarks["105"]
    head = dataclasses.replace(model, landmarks={"105": marks})
    np.testing.assert_allclose(places(head, "105"), places(default[0], "468")[marks.index], atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lmk_face_idx": np.full(51, 10**6)}, "outside the head's"),
        ({"lmk_face_idx": np.full(51, -1)}, "outside the head's"),
        ({"lmk_face_idx": np.zeros(50, int)}, r"50\] triangles"),
        ({"lmk_face_idx": np.zeros(50, int), "lmk_b_coords": np.full((50, 3), 1 / 3)}, "known are 51, 68"),
        ({"lmk_b_coords": np.full((51, 3), 0.5)}, "do not sum to 1"),
        ({"lmk_b_coords": np.full((51, 3), np.nan)}, "wanted finite numbers"),
        ({"lmk_b_coords": None}, "lmk_b_coords of type object"),
        ({"landmark_indices": np.zeros(50, int)}, "50 landmark_indices"),
    ],
)
def test_landmarks_that_do_not_fit_are_refused(model, tmp_path, changes, message):
    content = {"lmk_face_idx": np.zeros(51, int), "lmk_b_coords": np.full((51, 3), 1 / 3), **changes}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(FormatError, match=rf"x\.pkl.*{message}"):
        add_part(model, tmp_path / "x.pkl")


# --- regions, UV, eyelids ---------------------------------------------------------------------------------------------


def test_masks_become_regions(model, folder, default):
    head, row = add_part(model, folder / "FLAME_masks.pkl"), default[1]
    for name in ("face", "nose", "left_ear", "right_eyeball"):
        wanted = row[default[0].regions[name]]
        np.testing.assert_array_equal(head.regions[name], np.sort(wanted[wanted >= 0]))
    np.testing.assert_array_equal(head.regions["ears"], np.union1d(head.regions["left_ear"], head.regions["right_ear"]))


def test_masks_that_do_not_fit_are_refused(model, tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"face": np.array([0, len(model.v_template)])}))
    with pytest.raises(FormatError, match=r"m\.pkl names vertices in 'face' outside"):
        add_part(model, tmp_path / "m.pkl")


def test_uv_of_a_template_whose_triangles_stand_in_another_order(model, folder, default):
    head = add_part(model, folder / "head_template.obj")
    original, _, triangles = skin_and_eyes()
    wanted = original.uv[original.uv_faces[triangles]]  # [F, 3, 2] of each corner
    np.testing.assert_allclose(head.uv[head.uv_faces], wanted, atol=1e-6)


def test_uv_rows_of_a_texture_space(model, folder, tmp_path):
    head = add_part(model, folder / "head_template.obj")
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), (8, 8, 3, 4), (0, 0, 0, 0))
    np.savez(tmp_path / "t.npz", mean=huge[..., 0], tex_dir=huge, vt=head.uv, ft=head.uv_faces)
    again = add_part(model, tmp_path / "t.npz")
    np.testing.assert_array_equal(again.uv_faces, head.uv_faces)
    shuffled = np.random.default_rng(0).permutation(head.uv_faces)
    np.savez(tmp_path / "t.npz", vt=head.uv, ft=shuffled)
    with pytest.raises(FormatError, match="order that is not the head's"):
        add_part(model, tmp_path / "t.npz")


def test_a_template_of_another_topology_is_refused(model, tmp_path):
    path = tmp_path / "t.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    with pytest.raises(FormatError, match=r"3 vertices.*another topology"):
        add_part(model, path)
    lines = [f"v {x} {y} {z}" for x, y, z in model.v_template] + ["vt 0 0"]
    path.write_text("\n".join([*lines, *(f"f {a}/1 {a + 1}/1 {a + 2}/1" for a in range(1, 500))]))
    with pytest.raises(FormatError, match=r"other triangles.*another topology"):
        add_part(model, path)


def test_eyelids_are_told_apart_by_where_they_are(model, folder, tmp_path, default):
    left, right = (np.load(folder / f"{side}_eyelid.npy") for side in "lr")
    np.save(tmp_path / "a.npy", right[None])  # a batch of one, and a name that says nothing
    np.save(tmp_path / "b.npy", left)
    head = add_part(add_part(model, tmp_path / "a.npy"), tmp_path / "b.npy")
    posed = load_head(folder)  # the same files by their names
    assert len(posed.eyelid_vertices) == len(head.eyelid_vertices)
    params = FaceParams.neutral(posed, 2).replace(eyelids=torch.tensor([[1.0, 0.0], [0.5, 1.0]]))
    moved = posed.vertices(params) - posed.vertices(FaceParams.neutral(posed))
    np.testing.assert_allclose(moved, np.stack([left, 0.5 * left + right]), atol=2e-8)
    assert (model.v_template[head.regions["left_lids"], 0] > 0).all()


def test_eyelids_that_are_none_are_refused(model, tmp_path):
    zero = np.zeros(model.v_template.shape)
    for offsets, message in [
        (zero, "moves a vertex by 0 m"),
        (zero + 0.1, "moves a vertex by 0.173"),
        (zero + 0.005, "both sides"),
        (zero[:-1], "an eyelid is"),
        (zero * np.nan, "finite"),
        (zero.astype("U1"), "finite"),
    ]:
        np.save(tmp_path / "a.npy", offsets)
        with pytest.raises(FormatError, match=rf"a\.npy.*{message}"):
            add_part(model, tmp_path / "a.npy")


def test_what_is_no_part_is_refused(model, tmp_path):
    for content in ({}, {"betas": np.zeros(10) + 0.5}, [1, 2], "text"):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(FormatError, match=r"a\.pkl holds no landmarks, regions, UV or eyelid"):
            add_part(model, tmp_path / "a.pkl")


# --- all of them, and what follows from them --------------------------------------------------------------------------


def test_a_folder_of_published_files_is_one_head(whole, folder):
    assert {"51", "68", "105"} <= set(whole.landmarks) and len(whole.contour.faces) == 79
    assert len(whole.uv_faces) == len(whole.faces) and len(whole.eyelid_vertices)
    others = {"head_template_mesh.obj", "landmark_embedding_with_eyes.npy"}  # VHAP's names
    assert set(whole.provenance["files"]) == {"generic_model.pkl", *PARTS} - others


def test_eyes_get_their_materials(whole, default):
    head = default[0]
    for name in ("sclera", "iris", "pupil"):
        own = whole.face_material == whole.materials.index(name)
        here = whole.v_template[whole.faces[own]].mean(1)
        assert (whole.weights[np.unique(whole.faces[own]), 3:].sum(1) > 0.99).all()
        there = head.v_template[head.faces[head.face_material == head.materials.index(name)]].mean(1)
        assert len(here) == pytest.approx(len(there), rel=0.1)
        np.testing.assert_allclose(np.abs(here).mean(0), np.abs(there).mean(0), atol=5e-4)


def test_the_mirror_pairs_vertices(whole):
    mirror = whole.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    across = whole.v_template[mirror] * [-1, 1, 1]
    assert np.linalg.norm(across - whole.v_template, axis=1).max() < 2e-3
    assert (mirror != np.arange(len(mirror))).mean() > 0.95


def test_a_face_that_is_not_symmetric_has_no_mirror(model):
    bent = dataclasses.replace(model, v_template=model.v_template + np.array([0.1, 0, 0]))
    np.testing.assert_array_equal(complete(bent).mirror, np.arange(len(bent.v_template)))


def test_inner_lips_face_each_other(whole, default):
    upper, lower = whole.v_template[whole.inner_lip_pairs].transpose(1, 0, 2)
    assert len(upper) >= 9
    assert (np.diff(upper[:, 0]) > 0).all()  # from the right corner to the left
    assert (np.abs(upper - lower) < 2.5e-3).all()
    # An open jaw parts each pair.
    # Along the upper lip they are the very vertices that the default head's maker chose.
    np.testing.assert_array_equal(whole.inner_lip_pairs[:, 0], default[1][default[0].inner_lip_pairs[:, 0]])
    head = Head(whole)
    opened = head.vertices(FaceParams.neutral(head).replace(jaw=torch.tensor([0.2, 0, 0]))).numpy()
    assert (opened[whole.inner_lip_pairs, 1] @ [1, -1] > 2e-3)[2:-2].all()


def test_lips_lie_within_their_landmarks(whole, default):
    lips = np.unique(whole.faces[whole.face_material == whole.materials.index("lips")])
    wanted = default[1][np.unique(default[0].faces[default[0].face_material == default[0].materials.index("lips")])]
    assert np.isin(lips, wanted).mean() > 0.8
    assert len(lips) > 0.4 * len(wanted)


def test_nothing_that_is_there_is_changed(whole):
    again = complete(whole)
    for field in dataclasses.fields(whole):
        one, other = getattr(whole, field.name), getattr(again, field.name)
        np.testing.assert_equal(other, one, err_msg=field.name)
