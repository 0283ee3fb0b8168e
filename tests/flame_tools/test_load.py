import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

import emberface_cli
from flame_tools import FaceParams, FormatError, Head, InputError, Track, load_head, load_track, save_head, save_track
from flame_tools.load import head_arrays, head_of, read_files, register_head, registered_heads
from flame_tools.posing import still
from tests.flame_tools.conftest import random_arrays
from tests.flame_tools.files.published import write_flame
from tests.shared_data import shared_file


@pytest.fixture
def heads(tmp_path, monkeypatch):
    """An empty place for registered heads."""
    monkeypatch.setenv("EMBERFACE_HEADS", str(tmp_path / "heads"))
    return tmp_path / "heads"


@pytest.fixture(scope="module")
def flame_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "FLAME2020"
    folder.mkdir()
    return write_flame(folder)


def run(capsys, *arguments) -> dict:
    assert emberface_cli.run([*map(str, arguments), "--json"]) == 0, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments) -> str:
    assert emberface_cli.run([*map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_registered_head_is_found_by_its_name(heads):
    arrays = random_arrays()
    assert registered_heads() == {}
    file = register_head(arrays, "mine")
    assert file == heads / "mine.npz" and registered_heads() == {"mine": file}
    assert load_head("mine").arrays.id == "mine"
    np.testing.assert_array_equal(head_arrays("mine").faces, arrays.faces)
    assert load_head(file).arrays.id == "mine"


def test_a_name_is_taken_once(heads):
    register_head(random_arrays(0))  # under its own id
    with pytest.raises(InputError, match=r"'random' is registered.*random\.npz.*--replace"):
        register_head(random_arrays(1))
    np.testing.assert_allclose(head_arrays("random").v_template, random_arrays(0).v_template)
    register_head(random_arrays(1), replace=True)
    np.testing.assert_allclose(head_arrays("random").v_template, random_arrays(1).v_template)


NO_NAMES = (
    "default", "Default", "default.npz", "ict.npz", "../x", "a/b", "a\\b", "/x", "x:y", "", ".", "..", ".hidden", "-x",
    "a b", "é", "a\n", "con", "NUL.x", "com1", "x" * 65,
)  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_are_none_are_refused(heads, name):
    with pytest.raises(InputError, match="cannot be called"):
        register_head(random_arrays(), name)
    assert not heads.exists()


def test_an_unknown_name_lists_the_known(heads):
    register_head(random_arrays(), "mine")
    with pytest.raises(InputError, match=r"'yours'; heads are default, mine; emberface head add"):
        load_head("yours")


def test_a_track_finds_its_head_by_name_and_no_file(heads, tmp_path):
    arrays = random_arrays()
    track = still(Head(dataclasses.replace(arrays, id="mine")), torch.zeros(6))
    with pytest.raises(InputError, match="not registered: emberface head add FILE --name mine"):
        head_of(track)
    register_head(arrays, "mine")
    assert head_of(track).arrays.id == "mine"
    save_head(arrays, tmp_path / "elsewhere.npz")
    with pytest.raises(InputError, match="not registered"):  # whoever made the track does not choose what is opened
        head_of(track.replace(head_id=str(tmp_path / "elsewhere.npz")))


def test_float64_stays(tmp_path):
    arrays = random_arrays()
    save_head(arrays, tmp_path / "a.npz")
    again = head_arrays(tmp_path / "a.npz")
    for name in ("v_template", "shapedirs", "posedirs", "weights"):
        np.testing.assert_array_equal(getattr(again, name), getattr(arrays, name), strict=True)


def test_what_few_heads_know_stays_and_is_checked(tmp_path):
    arrays = dataclasses.replace(random_arrays(), people_mean=np.linspace(-1, 1, len(random_arrays().shape_names)))
    save_head(arrays, tmp_path / "a.npz")
    np.testing.assert_array_equal(head_arrays(tmp_path / "a.npz").people_mean, arrays.people_mean)
    save_head(dataclasses.replace(arrays, people_mean=np.ones(3)), tmp_path / "b.npz")
    with pytest.raises(FormatError, match=r"people_mean is \[3\], wanted"):
        head_arrays(tmp_path / "b.npz")


# --- putting files together -------------------------------------------------------------------------------------------


def test_one_model_is_wanted(flame_folder, tmp_path):
    with pytest.raises(InputError, match=r"one model makes a head; found .*a\.npz, .*b\.npz"):
        for name in "ab":
            save_head(random_arrays(), tmp_path / f"{name}.npz")
        read_files([tmp_path])
    with pytest.raises(InputError, match=r"there is no file .*missing\.pkl"):
        read_files([tmp_path / "missing.pkl"])
    with pytest.raises(InputError, match="found none in"):
        read_files([flame_folder / "FLAME_masks.pkl", flame_folder / "l_eyelid.npy"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found none in"):
        load_head(tmp_path / "empty")


def test_parts_join_a_head_that_was_converted_before(flame_folder, tmp_path):
    bare = read_files([flame_folder / "generic_model.pkl"], name="bare", licence="mine alone")
    assert not bare.landmarks and not len(bare.eyelid_vertices) and (bare.id, bare.licence) == ("bare", "mine alone")
    save_head(bare, tmp_path / "bare.npz")
    joined, whole = read_files([tmp_path / "bare.npz", flame_folder]), read_files([flame_folder])
    assert (joined.id, joined.licence) == ("bare", "mine alone")
    for name in ("v_template", "uv_faces", "eyelid_dirs", "inner_lip_pairs", "mirror", "face_material"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert set(joined.landmarks) == set(whole.landmarks)


def test_a_head_without_uv_is_read_again_as_it_was_kept(tmp_path):
    """Characters and heads that were described have a row for each triangle, which names no UV."""
    bare = dataclasses.replace(random_arrays(), uv=np.zeros((0, 2)), uv_faces=np.zeros((50, 3), np.int32))
    save_head(bare, tmp_path / "bare.npz")
    head = load_head(tmp_path / "bare.npz")
    assert len(head.arrays.uv) == 0 and len(head.arrays.faces) == 50


def test_ict_facekit_is_a_model():
    head = read_files([shared_file("heads/ict_facekit.npz")], name="ict")
    assert head.id == "ict" and len(head.v_template) > 20_000


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registered(flame_folder, tmp_path_factory):
    """A FLAME that `emberface head add` registered under a licence called X, and the place it is in."""
    place = tmp_path_factory.mktemp("registered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBERFACE_HEADS", str(place))
        arguments = ["head", "add", str(flame_folder), "--name", "flame2020", "--licence", "X"]
        assert emberface_cli.run(arguments) == 0
    return place


@pytest.fixture
def with_flame(registered, monkeypatch):
    monkeypatch.setenv("EMBERFACE_HEADS", str(registered))


def test_adding_listing_and_asking(with_flame, registered, flame_folder, capsys):
    listed = run(capsys, "head", "list")["heads"]
    assert [(head["name"], head["licence"]) for head in listed] == [("default", "CC0-1.0"), ("flame2020", "X")]
    told = run(capsys, "head", "info", "flame2020")
    assert told["missing"] == {} and told["arkit"] is True and told["licence"] == "X"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flame_tools.transfer.names.solve_map", lambda head: pytest.fail("all is done, and then refused"))
        assert "is registered" in refused(capsys, "head", "add", flame_folder, "--name", "flame2020")
    assert "cannot be called 'default'" in refused(capsys, "head", "add", flame_folder, "--name", "default")
    (registered / "broken.npz").write_bytes(b"no head")
    try:
        listed = run(capsys, "head", "list")["heads"]
        assert [head["name"] for head in listed] == ["default", "broken", "flame2020"] and "error" in listed[1]
    finally:
        (registered / "broken.npz").unlink()


def test_a_registered_flame_has_what_recon_and_animate_need(with_flame):
    flame, default = head_arrays("flame2020"), head_arrays("default")
    assert {"68", "105", "468", "iris"} <= set(flame.landmarks) and flame.arkit_map.shape == (52, 50 + 11)
    # It is the default head's own skin: what is carried over must come back to where it was.
    for name, far_mm in (("468", 1.0), ("iris", 1.0)):
        there, here = (
            np.einsum(
                "lk,lkc->lc", head.landmarks[name].barycentrics, head.v_template[head.faces[head.landmarks[name].faces]]
            )
            for head in (default, flame)
        )
        assert 1e3 * np.linalg.norm(there - here, axis=1).mean() < far_mm, name
    assert flame.jaw_open_rad == pytest.approx(default.jaw_open_rad, rel=0.1)
    assert flame.jaw_side_rad == pytest.approx(default.jaw_side_rad, rel=0.1)
    np.testing.assert_allclose(flame.look_rad, default.look_rad, rtol=0.1)


def test_converting_says_what_is_missing_and_who_brings_it(flame_folder, tmp_path, capsys):
    model, out = flame_folder / "generic_model.pkl", tmp_path / "flame.npz"
    told = run(capsys, "head", "convert", model, flame_folder / "FLAME_masks.pkl", out)
    assert told["file"] == str(out) and told["arkit"] is False
    assert told["missing"]["UV"] == "head_template.obj" and "regions" not in told["missing"]
    assert told["missing"]["lips"] == "landmark_embedding.npy"  # without which nobody speaks
    assert "non-commercial" in told["licence"]
    assert run(capsys, "head", "info", out)["id"] == told["id"]
    assert "ends in .npz" in refused(capsys, "head", "convert", model, tmp_path / "flame.glb")
    assert "would be replaced" in refused(capsys, "head", "convert", out, out)


def test_the_licence_is_in_everything_a_head_makes(with_flame, tmp_path, capsys):
    head = load_head("flame2020")
    frames = 3
    jaw = torch.linspace(0, 0.2, frames)[:, None] * torch.tensor([1.0, 0, 0])
    lids = torch.linspace(0, 1, frames)[:, None].expand(frames, 2)
    params = FaceParams.neutral(head, frames).replace(shape=torch.zeros(head.shape_size), jaw=jaw, eyelids=lids)
    track = Track("flame2020", params, np.arange(frames) / 24, fps=(24, 1), licences=("Y",))
    source, outputs = (
        tmp_path / "a.face.npz",
        [tmp_path / name for name in ("a.glb", "a.csv", "a_obj", "a.mp4", "a.png")],
    )
    save_track(track, source)
    size = ("--size", "64x64")
    report = run(capsys, "convert", source, *(word for out in outputs for word in ("-o", out)), *size)
    assert report["licences"] == ["X", "Y"]
    assert json.loads((tmp_path / "a.report.json").read_text())["licences"] == ["X", "Y"]

    glb = (tmp_path / "a.glb").read_bytes()
    document = json.loads(glb[20 : 20 + int.from_bytes(glb[12:16], "little")])
    assert document["asset"]["extras"] == {"head": "flame2020", "licences": ["X", "Y"]}
    for file in ("frame_0001.obj", "frame_0003.obj", "head.mtl"):
        assert (tmp_path / "a_obj" / file).read_text().startswith("# head flame2020\n# licence X\n# licence Y\n")
    import av

    with av.open(str(tmp_path / "a.mp4")) as film:
        assert film.metadata["copyright"] == "X; Y"
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.text["Copyright"] == "X; Y"
    assert len((tmp_path / "a.csv").read_text().splitlines()) == frames + 1


def test_people_who_do_not_exist_carry_it_too(with_flame, tmp_path, capsys):
    report = run(capsys, "head", "random", "-o", tmp_path / "cast", "--head", "flame2020", "--format", "glb")
    assert report["licences"] == ["X"]
    assert load_track(tmp_path / "cast" / "person.face.npz").licences == ("X",)
    sheet = tmp_path / "cast.png"
    assert run(capsys, "head", "random", "-o", sheet, "--head", "flame2020")["licences"] == ["X"]
    with Image.open(sheet) as picture:
        assert picture.text["Copyright"] == "X"
