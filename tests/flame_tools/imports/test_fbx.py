import contextlib
import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flame_tools import FormatError, Head, InputError
from flame_tools.arkit import INDEX, from_params
from flame_tools.characters.fbx_nodes import Node, read_nodes, write_nodes
from flame_tools.errors import FaceError
from flame_tools.export import write_fbx, write_glb
from flame_tools.export.fbx_take import TICKS
from flame_tools.imports import read_fbx, read_glb
from flame_tools.licences import licences_of
from flame_tools.posing import at_frames
from flame_tools.surface.lod import at_detail
from tests.flame_tools.characters.damage import damage
from tests.flame_tools.characters.made import mesh_fbx
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.flame_shaped import flame_shaped
from tests.flame_tools.imports.conftest import FIELDS, assert_same_track

ATOL = 2e-6  # float32 keys; worst seen 1e-6, of the identity


@pytest.fixture(scope="module")
def head(arrays):
    return Head(arrays)


def test_our_own_file_gives_every_parameter_back(head, tmp_path):
    track = lively_track(head)
    p = track.params
    track = track.replace(params=p.replace(expression=6 * p.expression - 0.5, eyelids=2 * p.eyelids - 0.5))
    write_fbx(track, head, tmp_path / "x.fbx")
    again = read_fbx(tmp_path / "x.fbx", head)
    assert_same_track(again, track, atol=ATOL)
    assert again.licences == track.licences and again.provenance["read"] == "as written"


def test_licences_come_back_one_by_one(head, tmp_path):
    """Joined to one, they would be a further one at each way through a file."""
    track = lively_track(head, 2).replace(licences=("CC-BY-4.0", "studio, internal"))
    write_fbx(track, head, tmp_path / "x.fbx")
    again = read_fbx(tmp_path / "x.fbx", head)
    assert licences_of(again, head.arrays) == ("CC-BY-4.0", "CC0-1.0", "studio, internal")


def test_the_default_head_too(default_head, tmp_path):
    track = lively_track(default_head, frames=4)
    write_fbx(track, default_head, tmp_path / "x.fbx")
    assert_same_track(read_fbx(tmp_path / "x.fbx", default_head), track, atol=4e-6)


def test_a_head_whose_joints_follow_expression(tmp_path):
    head = Head(flame_shaped(vertices=300, faces=600, shapes=12, expressions=8))
    track = lively_track(head)
    write_fbx(track, head, tmp_path / "x.fbx")
    fields = tuple(name for name in FIELDS if name != "eyelids")  # it has none
    assert_same_track(read_fbx(tmp_path / "x.fbx", head), track, atol=ATOL, fields=fields)


@pytest.mark.parametrize("fps", [(24000, 1001), (27, 1)])
def test_every_rate(fps, head, tmp_path):
    track = lively_track(head, 30)
    track = track.replace(time_s=2 + np.arange(30) * fps[1] / fps[0], fps=fps)
    write_fbx(track, head, tmp_path / "x.fbx")
    again = read_fbx(tmp_path / "x.fbx", head)
    assert again.fps == fps
    np.testing.assert_allclose(again.time_s, track.time_s, atol=1e-6)


def test_a_still_and_another_head(head, arrays, tmp_path):
    track = at_frames(lively_track(head), [5]).replace(time_s=np.zeros(1))
    write_fbx(track, head, tmp_path / "x.fbx")
    assert_same_track(read_fbx(tmp_path / "x.fbx", head), track, atol=ATOL)
    other = Head(dataclasses.replace(arrays, id="other", jaw_open_rad=0.6))
    again = read_fbx(tmp_path / "x.fbx", other)
    wanted = from_params(track.params, head).clamp(0, 1)
    torch.testing.assert_close(from_params(again.params, other), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(again.params.neck, track.params.neck, rtol=0, atol=1e-6)
    assert again.provenance["made_on"] == head.arrays.id


@pytest.mark.parametrize("write, read", [(write_fbx, read_fbx), (write_glb, read_glb)])
def test_a_level_of_detail_gives_all_but_the_identity_back(write, read, default_head, tmp_path):
    track = lively_track(default_head, 4)
    p = track.params
    track = track.replace(params=p.replace(expression=3 * p.expression - 0.5))
    write(*at_detail(track, default_head, 0.2), tmp_path / "x")
    again = read(tmp_path / "x", default_head)
    assert "made_on" not in again.provenance and "shape" in again.provenance["untold"]
    fields = tuple(name for name in FIELDS if name != "shape")
    assert_same_track(again, track, atol=4e-6, fields=fields)


# --- files of others --------------------------------------------------------------------------------------------------


def small(*, times=(0.0, 0.5, 1.0), values=(0, 100, 50), attributes=None, settings=None, shape="Face_jawOpen"):
    """A triangle with one shape and a take of one curve, as nodes."""
    data = mesh_fbx(np.eye(3), np.array([[0, 1, 2]]), {shape: np.eye(3)}, settings=settings)
    root = read_nodes(data, "made")
    flags, slopes, counts = attributes or ([4], [0, 0, 0, 0], [len(times)])
    objects, links = root.first("Objects").children, root.first("Connections").children
    objects += [
        Node("AnimationStack", [900, "talk\x00\x01AnimStack", ""]),
        Node("AnimationLayer", [901, "base\x00\x01AnimLayer", ""]),
        Node("AnimationCurveNode", [902, "DeformPercent\x00\x01AnimCurveNode", ""]),
        Node(
            "AnimationCurve",
            [903, "\x00\x01AnimCurve", ""],
            [
                Node("KeyTime", [np.array(np.asarray(times) * TICKS, "<i8")]),
                Node("KeyValueFloat", [np.array(values, "<f4")]),
                Node("KeyAttrFlags", [np.array(flags, "<i4")]),
                Node("KeyAttrDataFloat", [np.array(slopes, "<f4")]),
                Node("KeyAttrRefCount", [np.array(counts, "<i4")]),
            ],
        ),
    ]
    links += [
        Node("C", ["OO", 901, 900]),
        Node("C", ["OO", 902, 901]),
        Node("C", ["OP", 902, 100, "DeformPercent"]),
        Node("C", ["OP", 903, 902, "d|DeformPercent"]),
    ]
    return root


def play(tmp_path, head, root, **more):
    (tmp_path / "x.fbx").write_bytes(write_nodes(root))
    return read_fbx(tmp_path / "x.fbx", head, **more)


def opened(track, head):
    return from_params(track.params, head)[:, INDEX["jawOpen"]].numpy()


AUTO = 8 | 0x100
CURVES = {  # flags, floats, counts
    "straight": ([4], [0, 0, 0, 0], [3]),
    "held": ([2], [0, 0, 0, 0], [3]),
    "the next one's": ([2 | 0x100], [0, 0, 0, 0], [3]),
    "cubic": ([8 | 0x400, 8 | 0x400], [0, 300, 0, 0, -200, 50, 0, 0], [1, 2]),
    "weighted": (
        [8 | 0x3000400],
        [100, 300, np.array(1000 | 8000 << 16, "<u4").view("<f4"), 0],  # a tenth and eight tenths
        [3],
    ),
    "automatic": ([AUTO], [0, 0, 0, 0], [3]),
    "by time alone": ([AUTO | 0x2000], [0, 0, 0, 0], [3]),
    "without overshoot": ([AUTO | 0x4000], [0, 0, 0, 0], [3]),
    "clamped": ([AUTO | 0x1000], [0, 0, 0, 0], [3]),
    "mixed": ([8 | 0x400, AUTO, 4], [80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1]),
}
UFBX = """
import os, sys, ufbx
kept = []  # the bindings may crash where one is let go
for path in sys.argv[1:]:
    scene = ufbx.load_file(path)
    kept.append(scene)
    for i in range(17):
        moment = scene.evaluate(scene.anim, i / 16 + 1e-6)  # a moment after, for a held value changes at its key
        channels = list(moment.blend_channels)
        kept += [moment, channels]
        print(channels[0].weight, flush=True)
os._exit(0)
"""


def test_curves_go_as_ufbx_has_them(head, tmp_path):
    """ufbx is another's reader of the format; its bindings may crash as they end, so it runs apart."""
    pytest.importorskip("ufbx")
    paths, ours = [], []
    for kind, attributes in CURVES.items():
        for values in ((0, 100, 50), (20, 50, 100), (60, 60, 0)):
            folder = tmp_path / f"{kind} {values}"
            folder.mkdir()
            root = small(times=(0, 0.3, 1.0), values=values, attributes=attributes)
            ours.append(opened(play(folder, head, root, fps=16), head))
            paths.append(str(folder / "x.fbx"))
    done = subprocess.run(
        [sys.executable, "-c", UFBX, *paths], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    theirs = np.array([float(line) for line in done.stdout.split()]).reshape(-1, 17)
    assert theirs.shape == (30, 17), done.stderr
    for path, one, other in zip(paths, ours, theirs, strict=True):
        np.testing.assert_allclose(one, other.clip(0), atol=1e-4, err_msg=path)  # jawOpen is not negative
        assert np.ptp(other) > 0.3


def test_a_file_without_attributes_goes_straight(head, tmp_path):
    track = play(tmp_path, head, small(attributes=([], [], [])), fps=4)
    np.testing.assert_allclose(opened(track, head), [0, 0.5, 1, 0.75, 0.5], atol=1e-6)


def test_the_files_own_rate_where_curves_differ(head, tmp_path):
    """Keys at 0, 0.04 and 1 s: the frames of 25 a second, as the settings say."""
    root = small(times=(0.0, 0.04, 1.0), settings={"TimeMode": [10]})
    other = small(times=(0.0, 1.0), values=(0, 100), shape="x")
    curve = next(n for n in other.first("Objects").children if n.name == "AnimationCurve")
    root.first("Objects").children.append(Node(curve.name, [904, *curve.properties[1:]], curve.children))
    root.first("Objects").children.append(Node("AnimationCurveNode", [905, "R\x00\x01AnimCurveNode", ""]))
    links = root.first("Connections").children
    links += [
        Node("C", ["OO", 905, 901]),
        Node("C", ["OP", 905, 2, "Lcl Rotation"]),
        Node("C", ["OP", 904, 905, "d|X"]),
    ]
    track = play(tmp_path, head, root)
    assert track.fps == (25, 1) and len(track) == 26
    assert opened(track, head)[1] == pytest.approx(1)


def test_takes_by_name(head, tmp_path):
    root = small()
    root.first("Objects").children.insert(0, Node("AnimationStack", [910, "idle\x00\x01AnimStack", ""]))
    assert play(tmp_path, head, root).provenance["clip"] == "talk"
    assert len(play(tmp_path, head, root, clip="idle")) == 1
    with pytest.raises(InputError, match="no take 'x'; it has idle, talk"):
        play(tmp_path, head, root, clip="x")


HOSTILE = {
    "no shape with an ARKit name": {"shape": "x"},
    "3 times for 2 values": {"values": (0, 1)},
    "NaN": {"values": (0, np.nan, 1)},
    "do not increase": {"times": (0, 1, 1)},
    "beyond": {"times": (0, 1, 1e8)},
}


@pytest.mark.parametrize("wanted", HOSTILE)
def test_what_is_refused(wanted, head, tmp_path):
    with pytest.raises(FormatError, match=wanted):
        play(tmp_path, head, small(**HOSTILE[wanted]))


@pytest.mark.parametrize("rest", ["Lcl__Translation", "Lcl__Scaling", "Lcl__Rotation"])
def test_numbers_beyond_all_measure(rest, head, tmp_path):
    """Whatever stands in a bone's place: a refusal or finite numbers."""
    bones = [("root", -1, np.zeros(3)), ("jaw", 0, np.ones(3))]
    data = mesh_fbx(np.eye(3), np.array([[0, 1, 2]]), {"jawOpen": np.eye(3)}, bones=bones, weights=np.ones((3, 2)),
                    model={rest: [1e300, -1e300, 1e300]})  # fmt: skip
    root = read_nodes(data, "made")
    for node in root.first("Objects").children:
        if node.name == "Model":
            table = Node("P", [rest.replace("__", " "), "", "", "", 1e300, -1e300, 1e300])
            node.first("Properties70").children.append(table)
    with contextlib.suppress(FaceError):
        assert torch.isfinite(play(tmp_path, head, root).params.neck).all()


def test_too_many_frames(head, tmp_path):
    with pytest.raises(FormatError, match="more than 2,000,000 frames"):
        play(tmp_path, head, small(times=(0, 1, 9e5)), fps=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), cut=st.booleans(), junk=st.binary(min_size=1, max_size=8))
def test_damage_is_told_and_never_a_crash(at, cut, junk, head, tmp_path):
    good = write_nodes(small())
    place = int(at * len(good))
    (tmp_path / "x.fbx").write_bytes(good[:place] if cut else good[:place] + junk + good[place + len(junk) :])
    with contextlib.suppress(FaceError):
        assert torch.isfinite(read_fbx(tmp_path / "x.fbx", head).params.jaw).all()


VALUES = st.one_of(
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([np.zeros(0), np.array([1, -7, 2**31 - 1], "<i4"), np.array([np.nan, 1e300]), b"raw", "OP", 100]),
)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_tree_is_read_or_refused(head, tmp_path_factory, data):
    """Records lost, moved, or with other values than they should have: a Track or a refusal, nothing else."""
    root = small(attributes=CURVES["mixed"])
    damage(root, data, VALUES)
    path = tmp_path_factory.getbasetemp() / "tree.fbx"
    path.write_bytes(write_nodes(root))
    with contextlib.suppress(FaceError), np.errstate(all="ignore"):
        assert torch.isfinite(read_fbx(path, head).params.jaw).all()
