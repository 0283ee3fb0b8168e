import dataclasses
import itertools

import numpy as np
import pytest
import torch

from flame_tools import Head, OutputError
from flame_tools.arkit import ARKIT_NAMES, JOINT_OWNED, from_params, to_params
from flame_tools.export import write_glb
from flame_tools.export.corners import split_by_material
from flame_tools.posing import posed_frames
from tests.flame_tools.conftest import as_character
from tests.flame_tools.export.conftest import lively_track, shapeless
from tests.flame_tools.export.gltf_reader import Glb


def worst_mm(path, track, head, step=1):
    """Largest distance between the file as a viewer plays it and every `step`th of our own frames, millimetres."""
    glb = Glb(path)
    pieces = split_by_material(head.arrays)
    worst = 0.0
    for i, ours in itertools.islice(enumerate(posed_frames(track, head)), 0, None, step):
        for piece, points in zip(pieces, glb.play(i), strict=True):
            worst = max(worst, np.linalg.norm(points - ours[piece.vertices], axis=1).max())
    return worst * 1000


def test_the_file_moves_as_our_frames_do(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3  # float32 rounding is 2e-4 mm


def test_the_default_head_too(default_head, tmp_path):
    track = lively_track(default_head, frames=4)
    write_glb(track, default_head, tmp_path / "x.glb")
    assert worst_mm(tmp_path / "x.glb", track, default_head) < 1e-3


def test_a_head_whose_joints_follow_expression(arrays, tmp_path):
    head = Head(dataclasses.replace(arrays, joints_follow_expression=True))
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3
    assert any(path == "translation" and node > 1 for node, path in Glb(tmp_path / "x.glb").channels()[0])


def test_a_head_without_arkit_names(arrays, tmp_path):
    names = tuple(f"component{i}" for i in range(len(arrays.expression_names)))
    head = Head(dataclasses.replace(arrays, expression_names=names))
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3


def test_the_first_52_targets_carry_the_true_arkit_weights(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")
    glb = Glb(tmp_path / "x.glb")
    assert tuple(glb.names[:52]) == ARKIT_NAMES
    weights = glb.channels()[0][0, "weights"]
    np.testing.assert_array_equal(weights[:, :52], from_params(track.params, head).clamp(0, 1).numpy())


@pytest.mark.parametrize("lacking", [(), ("tongueOut", "browInnerUp")])
def test_a_character_has_the_names_that_it_knows_and_moves_as_our_frames_do(lacking, arrays, tmp_path):
    head = Head(as_character(arrays, *lacking))
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3
    glb, known = Glb(tmp_path / "x.glb"), [name for name in ARKIT_NAMES if name not in lacking]
    assert glb.names[: len(known)] == known
    weights = glb.channels()[0][0, "weights"]
    opened = (track.params.jaw[:, 0] / arrays.jaw_open_rad).clamp(0, 1)
    np.testing.assert_allclose(weights[:, known.index("jawOpen")], opened, atol=1e-6)


def test_a_head_without_any_shape(arrays, tmp_path):
    head = shapeless(arrays)
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")
    mesh = Glb(tmp_path / "x.glb").json["meshes"][0]
    assert not {"weights", "extras"} & set(mesh) and all("targets" not in p for p in mesh["primitives"])
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3


def test_weights_beyond_0_and_1_are_kept_without_leaving_that_range(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    wild = {"expression": 3 * track.params.expression - 0.5, "eyelids": 2 * track.params.eyelids - 0.5}
    track = track.replace(params=track.params.replace(**wild))
    write_glb(track, head, tmp_path / "x.glb")
    weights = Glb(tmp_path / "x.glb").channels()[0][0, "weights"]
    assert weights.min() >= 0 and weights.max() <= 1
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3


@pytest.mark.parametrize("name", JOINT_OWNED)
def test_one_arkit_name_needs_no_correction_at_weight_one(name, arrays, tmp_path):
    head = Head(arrays)
    one = to_params(torch.eye(52)[[ARKIT_NAMES.index(name)] * 2], head)
    track = lively_track(head, 2)
    moved = {field: getattr(one, field) for field in ("expression", "jaw", "eyes", "eyelids")}
    track = track.replace(params=track.params.replace(**moved, neck=torch.zeros(2, 3)))
    write_glb(track, head, tmp_path / "x.glb")
    glb = Glb(tmp_path / "x.glb")
    assert not [n for n in glb.names if n.startswith("pose_")]
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3


def test_a_single_frame_leaves_as_a_still(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, frames=1)
    write_glb(track, head, tmp_path / "x.glb")
    assert "animations" not in Glb(tmp_path / "x.glb").json
    assert worst_mm(tmp_path / "x.glb", track, head) < 1e-3


def test_rotations_take_the_short_way(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, frames=40)
    angle = torch.linspace(0, 6.0, 40)  # almost a whole turn: q and -q meet on the way
    track = track.replace(params=track.params.replace(neck=torch.stack([0 * angle, angle, 0 * angle], -1)))
    write_glb(track, head, tmp_path / "x.glb")
    q = Glb(tmp_path / "x.glb").channels()[0][2, "rotation"]
    assert ((q[1:] * q[:-1]).sum(1) > 0.9).all()
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1, atol=1e-6)


def test_texture_materials_and_uv(default_head, albedo, tmp_path):
    track = lively_track(default_head, 2, appearance=albedo)
    write_glb(track, default_head, tmp_path / "x.glb")
    glb = Glb(tmp_path / "x.glb").json
    by_name = {m["name"]: m["pbrMetallicRoughness"] for m in glb["materials"]}
    assert "baseColorTexture" in by_name["skin"] and "baseColorTexture" not in by_name["teeth"]
    view = glb["bufferViews"][glb["images"][0]["bufferView"]]
    file = Glb(tmp_path / "x.glb")
    assert file.bin[view["byteOffset"] :].startswith(b"\x89PNG")
    for primitive in glb["meshes"][0]["primitives"]:
        normals = file.accessor(primitive["attributes"]["NORMAL"])
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
        uv = file.accessor(primitive["attributes"]["TEXCOORD_0"])
        assert uv.min() >= 0 and uv.max() <= 1


def test_same_track_same_bytes(arrays, tmp_path):
    head = Head(arrays)
    for name in ("a.glb", "b.glb"):
        write_glb(lively_track(head), head, tmp_path / name)
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_six_seconds_stay_under_8_mb(default_head, tmp_path):
    write_glb(lively_track(default_head, 180), default_head, tmp_path / "x.glb")
    assert (tmp_path / "x.glb").stat().st_size < 8e6


def test_a_place_that_cannot_be_written(arrays, tmp_path):
    head = Head(arrays)
    with pytest.raises(OutputError, match="cannot write"):
        write_glb(lively_track(head), head, tmp_path / "missing" / "x.glb")
    assert not list(tmp_path.iterdir())
