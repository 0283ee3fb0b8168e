"""The front door: what means nothing, or is of another kind, is refused before anything is made."""

import dataclasses

import numpy as np
import pytest
import torch

import emberface
from emberface_formats import kind_of
from flame_tools import Head, load, load_head, save_track
from flame_tools.errors import FaceError, InputError
from flame_tools.posing import still

PHOTO = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def track(head):
    return still(head, torch.zeros(head.shape_size))


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        (PHOTO, {"causal": True, "parts": "kept", "one_moment": True}, "of one photo .* one-moment, causal, parts;"),
        ("photo.jpg", {"causal": True, "detail": True}, "of one photo .* causal;"),
        ([PHOTO, PHOTO], {"causal": True, "parts": "kept"}, "of several photos .* causal, parts;"),
        ([PHOTO, PHOTO], {"method": "solve", "all_faces": True}, "of several photos .* method, all faces;"),
        ("talk.mp4", {"one_moment": True, "photometric": False}, "of a film .* one-moment, photometric;"),
        ("talk.mp4", {"checkpoint": "a.pt", "photometric": False}, "beside a checkpoint .* photometric:"),
        (PHOTO, {"checkpoint": "a.pt", "parts": "kept"}, "of one photo .* parts;"),
    ],
)
def test_options_that_mean_nothing_for_a_source(source, options, said):
    with pytest.raises(InputError, match=said.replace(".*", "there is no choice of")):
        emberface.recon(source, **options)


@pytest.mark.parametrize("image", [None, [None], 5, [np.zeros(5, np.uint8)], []])
def test_what_is_no_picture(head, image):
    with pytest.raises(FaceError, match="wanted"):
        emberface.recon(image, head=head)


@pytest.mark.parametrize("source", [PHOTO, [PHOTO], "film"])
def test_what_is_no_focal_length(head, source, tmp_path):
    source = tmp_path if isinstance(source, str) else source
    with pytest.raises(InputError, match="the focal length is long pixels"):
        emberface.recon(source, head=head, focal_px="long")


def test_arguments_of_other_kinds(track, tmp_path):
    out, voice = tmp_path / "a.png", np.zeros(16000)
    for call, said in (
        (lambda: emberface.recon(PHOTO, head=5), "head is int"),
        (lambda: emberface.animate(5), "audio is int"),
        (lambda: emberface.animate(voice, 16000, model=5), "model is int"),
        (lambda: emberface.animate(voice, 16000, identity="me.face.npz"), "identity is str; wanted a Track"),
        (lambda: emberface.transfer("me.face.npz", "default"), "track is str; wanted a Track"),
        (lambda: emberface.export("me.face.npz", tmp_path / "a.glb"), "track is str; wanted a Track"),
        (lambda: emberface.export(track, tmp_path / "a.glb", options=5), "options are int"),
        (lambda: emberface.render("me.face.npz", out), "track is str; wanted a Track"),
        (lambda: emberface.render(track, out, compare="me.face.npz"), "compare is str; wanted a Track"),
        (lambda: emberface.view("me.face.npz"), "track is str; wanted a Track"),
    ):
        with pytest.raises(InputError, match=said):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [(720,), "720x720", float("nan"), (10**6, 720), (64.5, 64), (8, 64), (True, 64)])
def test_sizes_that_no_picture_has(track, size, tmp_path):
    with pytest.raises(InputError, match="wanted two whole numbers from 16 to 4096"):
        emberface.render(track, tmp_path / "a.png", size=size)


def test_a_track_is_loaded_on_its_own_head_alone(head, track, tmp_path):
    save_track(track, tmp_path / "a.face.npz")
    same = emberface.load(tmp_path / "a.face.npz", head=head)
    assert same.head_id == head.arrays.id
    torch.testing.assert_close(same.params.expression, track.params.expression)
    assert len(emberface.load(tmp_path / "a.face.npz", head="default", fps=30)) == 1
    other = dataclasses.replace(head.arrays, id="other")
    with pytest.raises(FaceError, match=r"a track of head 'default', not 'other'.*emberface\.transfer"):
        emberface.load(tmp_path / "a.face.npz", head=Head(other))
    fewer = dataclasses.replace(
        head.arrays, shapedirs=head.arrays.shapedirs[..., :-1], shape_names=head.arrays.shape_names[:-1],
        eyelid_shapedirs=head.arrays.eyelid_shapedirs[..., :-1],
    )  # fmt: skip
    with pytest.raises(FaceError, match=r"shape components.*another version"):
        emberface.load(tmp_path / "a.face.npz", head=Head(fewer))
    with pytest.raises(InputError, match="no head and no file is called 'nobody'"):
        emberface.load(tmp_path / "a.face.npz", head="nobody")


def test_the_default_head_is_read_once(track, tmp_path, monkeypatch):
    emberface.export(track, tmp_path / "a.ply")
    monkeypatch.setattr(load, "read_head", None)  # cannot be called
    emberface.export(track, tmp_path / "b.ply")
    emberface.export(track, tmp_path / "c.ply", head="default")
    assert (tmp_path / "b.ply").read_bytes() == (tmp_path / "a.ply").read_bytes() == (tmp_path / "c.ply").read_bytes()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.GLB", ".glb"), ("A.CURVES.CSV", ".curves.csv"), ("a.Face.npz", ".face.npz"), ("a.csv", ".csv"),
     ("a.TEXTGRID", ".TextGrid"), ("a", ""), ("a_obj", "")],
)  # fmt: skip
def test_names_in_capitals_ask_for_the_same_file(name, kind):
    assert kind_of(name) == kind
