import contextlib
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flame_tools import Appearance, FormatError, Head, InputError
from flame_tools.arkit import ARKIT_NAMES, INDEX, from_params
from flame_tools.errors import FaceError
from flame_tools.export import write_glb
from flame_tools.imports import read_glb
from flame_tools.posing import at_frames
from flame_tools.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from tests.flame_tools.characters.made import Glb
from tests.flame_tools.conftest import as_character
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.flame_shaped import flame_shaped
from tests.flame_tools.imports.conftest import FIELDS, assert_same_track, changed_glb

ATOL = 2e-6  # float32 weights and quaternions; worst seen 1e-6, of the identity


@pytest.fixture(scope="module")
def head(arrays):
    return Head(arrays)


def wild(track):
    """Weights and lids beyond [0, 1], which the file says by further targets."""
    p = track.params
    return track.replace(params=p.replace(expression=6 * p.expression - 0.5, eyelids=2 * p.eyelids - 0.5))


def test_our_own_file_gives_every_parameter_back(head, tmp_path):
    track = wild(lively_track(head))
    write_glb(track, head, tmp_path / "x.glb")
    again = read_glb(tmp_path / "x.glb", head)
    assert_same_track(again, track, atol=ATOL)
    assert again.licences == track.licences and again.provenance["read"] == "as written"
    write_glb(again, head, tmp_path / "y.glb")
    assert_same_track(read_glb(tmp_path / "y.glb", head), track, atol=2 * ATOL)


@pytest.mark.parametrize("lacking", [(), ("tongueOut",)])
def test_a_characters_file_too_which_has_no_identity(lacking, arrays, tmp_path):
    none = {"shapedirs": arrays.shapedirs[..., :0], "shape_names": (), "directions": {}}
    none["eyelid_shapedirs"] = arrays.eyelid_shapedirs[..., :0]
    head = Head(as_character(dataclasses.replace(arrays, **none), *lacking))
    track = wild(lively_track(head))
    write_glb(track, head, tmp_path / "x.glb")
    again = read_glb(tmp_path / "x.glb", head)
    assert_same_track(again, track, atol=ATOL)
    assert again.appearance is None and again.provenance["read"] == "as written"


def test_its_texture_comes_back_and_what_does_not_is_named(default_head, tmp_path):
    albedo = np.random.default_rng(0).integers(0, 256, (8, 16, 3)).astype(np.uint8)
    track = lively_track(default_head, frames=2).replace(appearance=Appearance(albedo=albedo))
    write_glb(track, default_head, tmp_path / "x.glb")
    again = read_glb(tmp_path / "x.glb", default_head)
    np.testing.assert_array_equal(again.appearance.albedo, albedo)
    assert again.provenance["not_read"] == ["sound"]

    def spoilt(document, binary):
        at = document["bufferViews"][document["images"][0]["bufferView"]]["byteOffset"]
        binary[at : at + 8] = b"nonsense"

    (tmp_path / "y.glb").write_bytes(changed_glb((tmp_path / "x.glb").read_bytes(), spoilt))
    again = read_glb(tmp_path / "y.glb", default_head)
    assert again.provenance["not_read"] == ["texture", "sound"]

    relief = np.linspace(-1e-3, 1e-3, 64 * 64, dtype=np.float32).reshape(64, 64)
    folded = at_frames(track, [0]).replace(appearance=Appearance(albedo=albedo, detail=relief))
    write_glb(folded, default_head, tmp_path / "z.glb")
    assert read_glb(tmp_path / "z.glb", default_head).provenance["not_read"] == ["relief"]  # a still has no sound


def test_the_default_head_too(default_head, tmp_path):
    track = lively_track(default_head, frames=4)
    write_glb(track, default_head, tmp_path / "x.glb")
    assert_same_track(read_glb(tmp_path / "x.glb", default_head), track, atol=4e-6)


def test_a_head_whose_joints_follow_expression(tmp_path):
    head = Head(flame_shaped(vertices=300, faces=600, shapes=12, expressions=8))
    track = wild(lively_track(head))
    write_glb(track, head, tmp_path / "x.glb")
    fields = tuple(name for name in FIELDS if name != "eyelids")  # it has none
    assert_same_track(read_glb(tmp_path / "x.glb", head), track, atol=ATOL, fields=fields)


@pytest.mark.parametrize("fps", [(24000, 1001), (25, 1), (60000, 1001), (27, 1)])
def test_every_rate(fps, head, tmp_path):
    track = lively_track(head, 90)
    track = track.replace(time_s=2 + np.arange(90) * fps[1] / fps[0], fps=fps)
    write_glb(track, head, tmp_path / "x.glb")
    again = read_glb(tmp_path / "x.glb", head)
    assert again.fps == fps
    np.testing.assert_allclose(again.time_s, track.time_s, atol=1e-6)


def test_times_that_are_not_even_stay(head, tmp_path):
    track = lively_track(head, 5).replace(time_s=np.array([0.0, 0.1, 0.15, 0.5, 0.9]), fps=None)
    write_glb(track, head, tmp_path / "x.glb")
    again = read_glb(tmp_path / "x.glb", head)
    assert again.fps is None
    np.testing.assert_allclose(again.time_s, track.time_s, atol=1e-6)
    again = read_glb(tmp_path / "x.glb", head, fps=20)
    assert again.fps == (20, 1) and len(again) == 19
    between = (track.params.eyelids[2] * 6 + track.params.eyelids[3]) / 7  # 0.2 s
    torch.testing.assert_close(again.params.eyelids[4], between, rtol=0, atol=1e-5)


def test_a_still(head, tmp_path):
    track = at_frames(lively_track(head), [5]).replace(time_s=np.zeros(1))
    write_glb(track, head, tmp_path / "x.glb")
    assert_same_track(read_glb(tmp_path / "x.glb", head), track, atol=ATOL)


def test_offsets_that_no_identity_says(head, tmp_path):
    offsets = np.random.default_rng(0).normal(size=head.arrays.v_template.shape).astype(np.float32) * 1e-3
    track = lively_track(head, 2, appearance=Appearance(vertex_offsets=offsets))
    write_glb(track, head, tmp_path / "x.glb")
    again = read_glb(tmp_path / "x.glb", head)
    known = np.unique(head.arrays.faces)  # a file holds no vertex that no triangle has
    rest = [head.bake(t.params.shape, torch.from_numpy(t.appearance.vertex_offsets)) for t in (track, again)]
    np.testing.assert_allclose(rest[1].v_template[known], rest[0].v_template[known], atol=1e-6)


SPELLINGS = {
    "short": lambda n: n.replace("Left", "_L").replace("Right", "_R"),
    "capitals": lambda n: n[0].upper() + n[1:],
    "prefixed": lambda n: f"blendShape1.{n}",
    "of a head": lambda n: f"head.{n.upper()}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_programs_names(spelling, head, tmp_path):
    """A file without our own names is read by ARKit's, and its bones by theirs."""
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")

    def change(document, _):
        (mesh,) = document["meshes"]
        names = mesh["extras"]["targetNames"]
        mesh["extras"]["targetNames"] = [SPELLINGS[spelling](n) if n in INDEX else n for n in names]
        document["asset"].pop("extras")
        for node in document["nodes"]:
            node["name"] = {"neck": "mixamorig:Head", "root": "Spine"}.get(node["name"], node["name"])

    (tmp_path / "y.glb").write_bytes(changed_glb((tmp_path / "x.glb").read_bytes(), change))
    again = read_glb(tmp_path / "y.glb", head)
    assert again.provenance["read"] == "by ARKit's names" and again.provenance["missing"] == []
    wanted = from_params(track.params, head).clamp(0, 1)
    torch.testing.assert_close(from_params(again.params, head), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(again.params.neck, track.params.neck, rtol=0, atol=1e-6)
    assert not again.params.shape.any() and not again.params.global_rotation.any()


def small(*, targets=("jawOpen",), times=(0.0, 0.5, 1.0), values=(0, 1, 0.5), path="weights", node=0, **sampler):
    """A triangle with shapes, a bone called jaw that hangs on a turned one, and one curve."""
    glb = Glb()
    points = np.eye(3, dtype=np.float32)
    primitive = {
        "attributes": {"POSITION": glb.add(points)},
        "targets": [{"POSITION": glb.add(points)} for _ in targets],
    }
    sampler = {
        "input": glb.add(np.array(times, "<f4")),
        "output": glb.add(np.array(values, "<f4")),
        "interpolation": "LINEAR",
    } | sampler
    animation = {"channels": [{"sampler": 0, "target": {"node": node, "path": path}}], "samplers": [sampler]}
    half = np.sqrt(0.5)
    document = glb.document(
        nodes=[
            {"mesh": 0},
            {"name": "body", "rotation": [half, 0, 0, half], "scale": [100, 100, 100], "children": [2]},
            {"name": "jaw_bone", "rotation": [0, half, 0, half], "translation": [0, 0.1, 0]},
        ],
        meshes=[{"primitives": [primitive], "extras": {"targetNames": list(targets)}}],
        animations=[animation],
    )
    return glb, document


def play(tmp_path, head, made, **more):
    glb, document = made
    (tmp_path / "x.glb").write_bytes(glb.packed(document))
    return read_glb(tmp_path / "x.glb", head, **more)


def opened(track, head):
    return from_params(track.params, head)[:, INDEX["jawOpen"]].numpy()


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        ("LINEAR", (0, 1, 0.5), [0, 0.5, 1, 0.75, 0.5]),
        ("STEP", (0, 1, 0.5), [0, 0, 1, 1, 0.5]),
        # in-tangent, value, out-tangent; a quarter of an interval's end slopes, 1/8 each of its length
        ("CUBICSPLINE", (0, 0, 1, 1, 1, 0, 0, 0.5, 0), [0, 0.5 + (1 - 1) / 16, 1, 0.75, 0.5]),
    ],
)
def test_interpolations(kind, values, wanted, head, tmp_path):
    track = play(tmp_path, head, small(values=values, interpolation=kind), fps=4)
    np.testing.assert_allclose(opened(track, head), wanted, atol=1e-6)


def test_a_bone_below_a_turned_and_scaled_one(head, tmp_path):
    """However bones lie in a file, what turns the head's jaw is how they turn in the world, beside their rest."""
    half = np.sqrt(0.5)
    made = small(targets=(), path="rotation", node=2, times=(0, 1), values=[[0, half, 0, half]] * 2)
    angle = np.array([0.3, 0, 0])
    above = matrix_from_axis_angle(torch.tensor([np.pi / 2, 0, 0], dtype=torch.float64))
    rest = matrix_from_axis_angle(torch.tensor([0, np.pi / 2, 0], dtype=torch.float64))
    world = matrix_from_axis_angle(torch.from_numpy(angle)) @ above @ rest  # the world's turn comes after the rest
    local = axis_angle_from_matrix(above.mT @ world).numpy()
    turn = np.append(
        np.sin(np.linalg.norm(local) / 2) * local / np.linalg.norm(local), np.cos(np.linalg.norm(local) / 2)
    )
    glb, document = made
    document["animations"][0]["samplers"][0]["output"] = glb.add(np.array([[0, half, 0, half], turn], "<f4"))
    document |= glb.document()
    track = play(tmp_path, head, made)
    np.testing.assert_allclose(track.params.jaw, [[0, 0, 0], angle], atol=1e-6)
    assert track.provenance["by_bone"] == ["jaw"]


def test_shapes_of_both_sides_and_halves(head, tmp_path):
    names = ("mouthSmile", "browInnerUp_L", "browInnerUp_R", "something")
    made = small(targets=names, values=np.tile([0.2, 0.4, 0.8, 1], 3))
    track = play(tmp_path, head, made)
    weights = from_params(track.params, head)[0]
    for name, wanted in (("mouthSmileLeft", 0.2), ("mouthSmileRight", 0.2), ("browInnerUp", 0.6)):
        assert float(weights[INDEX[name]]) == pytest.approx(wanted)
    assert track.provenance["ignored"] == ["something"]


def test_clips_by_name(head, tmp_path):
    glb, document = small()
    document["animations"].append({"name": "talk", **document["animations"][0]})
    document["animations"][0] = {"name": "idle", "channels": [], "samplers": []}
    assert play(tmp_path, head, (glb, document)).provenance["clip"] == "talk"
    assert not play(tmp_path, head, (glb, document), clip="idle").params.jaw.any()
    with pytest.raises(InputError, match="no animation 'x'; it has idle, talk"):
        play(tmp_path, head, (glb, document), clip="x")


def test_shapes_and_bones_of_one_action_in_two_clips(head, tmp_path):
    """Blender writes Key|talk and Armature|talk for one action."""
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")

    def change(document, _):
        (whole,) = document["animations"]
        parts = {"Key|talk": [], "Armature|talk": [], "Armature|nod": []}
        for channel in whole["channels"]:
            parts["Key|talk" if channel["target"]["path"] == "weights" else "Armature|talk"].append(channel)
        document["animations"] = [whole | {"name": name, "channels": part} for name, part in parts.items()]

    (tmp_path / "y.glb").write_bytes(changed_glb((tmp_path / "x.glb").read_bytes(), change))
    assert_same_track(read_glb(tmp_path / "y.glb", head), track, atol=ATOL)
    assert not read_glb(tmp_path / "y.glb", head, clip="Key|talk").params.neck.any()


def broken(change):
    glb, document = small()
    change(document, document["animations"][0]["samplers"][0], glb)
    return glb, document | {key: value for key, value in glb.document().items() if key != "asset"}


def zero_turns(document, sampler, glb):
    """A bone whose quaternions are no rotation stays as it is."""
    document["animations"][0]["channels"][0]["target"] = {"node": 2, "path": "rotation"}
    sampler.update(output=glb.add(np.zeros((3, 4), "<f4")), interpolation="STEP")


def test_turns_that_are_none(head, tmp_path):
    assert torch.isfinite(play(tmp_path, head, broken(zero_turns)).params.jaw).all()


HOSTILE = {
    "beyond 1e": lambda d, s, g: d["nodes"][2].update(name="neck", scale=[1e200] * 3) or zero_turns(d, s, g),
    "no shape with an ARKit name": lambda d, s, g: d["meshes"][0]["extras"].update(targetNames=["x"]),
    "do not increase": lambda d, s, g: s.update(input=g.add(np.array([0, 1, 1], "<f4"))),
    "more than 2,000,000 frames": lambda d, s, g: s.update(input=g.add(np.array([0, 1, 1e30], "<f4"))),
    "NaN": lambda d, s, g: s.update(output=g.add(np.array([0, np.nan, 1], "<f4"))),
    "2 values for them": lambda d, s, g: s.update(output=g.add(np.array([0, 1], "<f4"))),
    "unfolds to more": lambda d, s, g: g.accessors[s["output"]].update(count=10**9),
    "sampler 7 of 1": lambda d, s, g: d["animations"][0]["channels"][0].update(sampler=7),
    r"nodes\[99\] of 3": lambda d, s, g: d["animations"][0]["channels"][0]["target"].update(node=99),
    "interpolated by 'X'": lambda d, s, g: s.update(interpolation="X"),
    "no list of objects": lambda d, s, g: d.update(animations=5),
    "circle": lambda d, s, g: d["nodes"][2].update(children=[1]),
}


@pytest.mark.parametrize("wanted", HOSTILE)
def test_what_is_refused(wanted, head, tmp_path):
    made = broken(HOSTILE[wanted])
    with pytest.raises(FormatError, match=wanted):
        play(tmp_path, head, made, fps=30 if "frames" in wanted else None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), cut=st.booleans(), junk=st.binary(min_size=1, max_size=8))
def test_damage_is_told_and_never_a_crash(at, cut, junk, head, tmp_path):
    glb, document = small()
    good = glb.packed(document)
    place = int(at * len(good))
    (tmp_path / "x.glb").write_bytes(good[:place] if cut else good[:place] + junk + good[place + len(junk) :])
    with contextlib.suppress(FaceError):
        assert torch.isfinite(read_glb(tmp_path / "x.glb", head).params.jaw).all()


def test_another_head_gets_the_weights(head, arrays, tmp_path):
    track = lively_track(head)
    write_glb(track, head, tmp_path / "x.glb")
    other = Head(dataclasses.replace(arrays, id="other", jaw_open_rad=0.6))
    again = read_glb(tmp_path / "x.glb", other)
    wanted = from_params(track.params, head).clamp(0, 1)
    torch.testing.assert_close(from_params(again.params, other), wanted, rtol=0, atol=1e-6)
    assert again.head_id == "other" and len(ARKIT_NAMES) == wanted.shape[-1]
