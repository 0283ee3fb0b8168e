import dataclasses
import json

import numpy as np
import pytest
import torch

from flame_tools import Head, InputError
from flame_tools.arkit import ARKIT_NAMES
from flame_tools.export import (
    TAKES,
    WRITERS,
    Options,
    read_names,
    write_curve_csv,
    write_curve_json,
    write_fbx,
    write_glb,
    write_mdd,
    write_obj_sequence,
    write_ply,
    write_stl,
)
from flame_tools.export.tailor import rig_for
from flame_tools.posing import at_frames, posed_frames
from flame_tools.types import FaceParams, Track
from tests.flame_tools.conftest import as_character
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.export.fbx_player import Fbx
from tests.flame_tools.export.gltf_reader import Glb


def smooth_track(head: Head, frames: int = 60) -> Track:
    """A face that speaks, nods and blinks slowly enough that most of its keys say nothing new."""
    t = np.arange(frames) / 30
    params = FaceParams.neutral(head, frames)
    wave = torch.from_numpy(np.stack([np.sin(t * (1 + k)) for k in range(6)], -1)).float()
    expression = params.expression.clone()
    expression[:, :6] = 0.3 + 0.3 * wave
    changed = params.replace(
        shape=torch.ones(head.shape_size) * 0.5,
        expression=expression,
        jaw=torch.stack([0.15 + 0.15 * wave[:, 3], 0.05 * wave[:, 1], 0 * wave[:, 0]], -1),
        global_rotation=0.4 * wave[:, :3],
        eyelids=(0.5 + 0.5 * wave[:, [4, 5]]),
        translation=0.1 * wave[:, 1:4],
    )
    return Track(head.arrays.id, changed, t, fps=(30, 1), licences=("CC0-1.0",))


# --- unit and axes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "scale"), [("m", 1), ("cm", 100), ("mm", 1000)])
@pytest.mark.parametrize("up", ["y", "z"])
def test_an_fbx_moves_the_same_in_any_unit_and_axes(unit, scale, up, arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 4)
    write_fbx(track, head, tmp_path / "x.fbx", options=Options(unit=unit, up=up))
    fbx = Fbx(tmp_path / "x.fbx")
    settings = fbx.settings()
    assert settings["UnitScaleFactor"] == [100 / scale] and settings["UpAxis"] == [{"y": 1, "z": 2}[up]]
    for i, points in enumerate(posed_frames(track, head)):
        x, y, z = points.T * scale
        wanted = np.stack([x, -z, y] if up == "z" else [x, y, z], -1)
        assert np.linalg.norm(fbx.play(i) - wanted, axis=1).max() < 1e-6 * scale


def test_meshes_and_caches_too(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 2)
    options = Options(unit="cm", up="z")
    x, y, z = np.stack(list(posed_frames(track, head))).transpose(2, 0, 1) * 100
    wanted = np.stack([x, -z, y], -1)

    write_obj_sequence(track, head, tmp_path / "obj", options=options)
    rows = [line.split() for line in (tmp_path / "obj" / "frame_0002.obj").read_text().splitlines()]
    np.testing.assert_allclose([list(map(float, r[1:])) for r in rows if r[0] == "v"], wanted[1], atol=1e-5)

    write_mdd(track, head, tmp_path / "x.mdd", options=options)
    cache = np.frombuffer((tmp_path / "x.mdd").read_bytes()[16:], ">f4").reshape(2, -1, 3)
    np.testing.assert_allclose(cache, wanted, atol=1e-5)

    write_ply(at_frames(track, [1]), head, tmp_path / "x.ply", options=options)
    body = (tmp_path / "x.ply").read_bytes().split(b"end_header\n", 1)[1]
    first = np.frombuffer(body, "<f4", 6)
    np.testing.assert_allclose(first[:3], wanted[1, 0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(first[3:]), 1, atol=1e-5)


def test_a_print_is_in_millimetres_and_upright_where_nobody_says_else(arrays, tmp_path):
    head = Head(arrays)
    track = at_frames(lively_track(head, 2), [0])
    sizes = {}
    for name, options in (("usual", Options()), ("metres", Options(unit="m", up="y"))):
        write_stl(track, head, tmp_path / name, options=options)
        data = np.frombuffer((tmp_path / name).read_bytes()[84:], np.uint8).reshape(-1, 50)[:, :48]
        corners = np.ascontiguousarray(data).view("<f4").reshape(-1, 4, 3)[:, 1:]
        sizes[name] = np.ptp(corners.reshape(-1, 3), axis=0)
    np.testing.assert_allclose(sizes["usual"][[0, 2, 1]], 1000 * sizes["metres"], rtol=1e-5)


def test_one_file_of_names_does_for_every_performance_and_format(arrays, tmp_path):
    """A target that some performances need, and others not, may be named for all."""
    head = Head(arrays)
    names = {"jawOpen": "Jaw_Open", "eyeBlinkLeft_bulge": "arc", "pose_jaw_01": "corrective", "tongueOut_over": "more"}
    still_face = at_frames(smooth_track(head, 2), [0])
    for write, more in ((write_glb, {}), (write_fbx, {"shapes": ("arkit",)}), (write_fbx, {"inbetweens": 2}),
                        (write_curve_csv, {}), (write_curve_json, {})):  # fmt: skip
        write(still_face, head, tmp_path / "x", options=Options(names=names, **more))
        assert b"Jaw_Open" in (tmp_path / "x").read_bytes()
    with pytest.raises(InputError, match="no shape to rename is called jaw_Open; there are: "):
        write_glb(still_face, head, tmp_path / "x", options=Options(names={"jaw_Open": "Jaw_Open"}))


@pytest.mark.parametrize("shapes", [("arkit",), ("jawOpen",)])
def test_shapes_that_a_head_has_not_are_no_reason_to_write_a_face_without_any(shapes, arrays, tmp_path):
    names = tuple(f"component{i}" for i in range(len(arrays.expression_names)))
    head = Head(dataclasses.replace(arrays, expression_names=names))
    with pytest.raises(InputError, match=f"none of the shapes {shapes[0]}.*eyeBlinkLeft, .*component0"):
        write_glb(lively_track(head), head, tmp_path / "x.glb", options=Options(shapes=shapes))
    assert not list(tmp_path.iterdir())


# --- fewer keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance_mm", [0.02, 0.5])
@pytest.mark.parametrize("writer", [write_glb, write_fbx])
def test_what_is_left_out_moves_no_vertex_further_than_the_bound(writer, tolerance_mm, arrays, tmp_path):
    head = Head(arrays)
    track = smooth_track(head)
    writer(track, head, tmp_path / "all")
    writer(track, head, tmp_path / "few", options=Options(tolerance_mm=tolerance_mm))
    every, few = ((Glb if writer is write_glb else Fbx)(tmp_path / name) for name in ("all", "few"))
    worst = 0.0
    for t, ours in zip(track.time_s, posed_frames(track, head), strict=True):
        played = few.play_at(t)
        if writer is write_glb:
            exact = every.play_at(t)
            apart = max(np.linalg.norm(a - b, axis=1).max() for a, b in zip(played, exact, strict=True))
        else:
            apart = np.linalg.norm(played - ours, axis=1).max()
        worst = max(worst, 1000 * apart)
    assert worst <= tolerance_mm * 1.01 + 2e-4  # what float32 keys are off by
    assert worst > tolerance_mm / 20  # the bound is made use of

    def count(file):
        channels = file.keys() if writer is write_glb else file.curves()
        assert all(times[-1] == np.float32(track.time_s[-1]) or times[-1] == track.time_s[-1]
                   for times, _ in channels.values())  # fmt: skip
        return sum(len(times) for times, _ in channels.values())

    assert count(few) < (0.75 if tolerance_mm < 0.1 else 0.4) * count(every)


def test_two_frames_and_a_still_keep_what_they_have(arrays, tmp_path):
    head = Head(arrays)
    for frames in (1, 2):
        track = lively_track(head, frames)
        for writer in (write_glb, write_fbx):
            for name, options in (("a", Options()), ("b", Options(tolerance_mm=50))):
                writer(track, head, tmp_path / name, options=options)
            assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- shapes and names ---------------------------------------------------------------------------------------------


def test_the_52_alone_or_a_few(default_head, tmp_path):
    track = lively_track(default_head, 2)
    write_glb(track, default_head, tmp_path / "x.glb", options=Options(shapes=("arkit",)))
    assert tuple(Glb(tmp_path / "x.glb").names) == ARKIT_NAMES
    few = Options(shapes=("tongueUp", "jawOpen"), names={"jawOpen": 'Kiefer "auf", ganz'})
    write_fbx(track, default_head, tmp_path / "x.fbx", options=few)
    fbx = Fbx(tmp_path / "x.fbx")
    channels = [fbx.name(n) for n in fbx.of_kind("Deformer", "BlendShapeChannel")]
    assert channels == ['Kiefer "auf", ganz', "tongueUp"]  # in the order that they have in us


@pytest.mark.parametrize("asked", [("arkit",), ("browInnerUp", "jawOpen")])
def test_halves_of_a_name_are_one_of_the_52(asked, arrays):
    """ICT-FaceKit and others raise the inner brows one by one, which ARKit does not."""
    names = ["browInnerUpRight" if name == "browInnerUp" else name for name in arrays.expression_names]
    names[names.index("tongueOut")] = "browInnerUpLeft"
    halved = Head(as_character(dataclasses.replace(arrays, expression_names=tuple(names))))
    track = lively_track(halved, 3)
    whole, rig = (rig_for(track, halved, Options(shapes=shapes)) for shapes in (None, asked))
    wanted = ARKIT_NAMES if asked == ("arkit",) else asked
    assert rig.target_names == tuple(name for name in wanted if name != "tongueOut")
    both = [whole.target_names.index(f"browInnerUp{side}") for side in ("Left", "Right")]
    at = rig.target_names.index("browInnerUp")
    np.testing.assert_allclose(rig.targets[at], whole.targets[both].sum(0))
    np.testing.assert_allclose(rig.weights[:, at], whole.weights[:, both].mean(1))


def test_curve_tables_by_other_names(default_head, tmp_path):
    track = lively_track(default_head, 2)
    options = Options(shapes=("jawOpen", "mouthClose"), names={"jawOpen": 'Jaw, "open"', "HeadYaw": "Yaw"})
    write_curve_csv(track, default_head, tmp_path / "x.csv", options=options)
    write_curve_json(track, default_head, tmp_path / "x.json", options=options)
    names = [row["Name"] for row in json.loads((tmp_path / "x.json").read_text("utf-8"))]
    assert names[:3] == ['Jaw, "open"', "MouthClose", "Yaw"] and len(names) == 2 + 9
    assert '\n"Jaw, ""open""",0' in (tmp_path / "x.csv").read_text("utf-8").replace("\r", "")


def test_a_file_of_names(tmp_path):
    path = tmp_path / "names.json"
    path.write_text('{"jawOpen": "Kiefer öffnen"}', "utf-8")
    assert read_names(path) == {"jawOpen": "Kiefer öffnen"}
    for text in (
        "[]",
        '{"jawOpen": 3}',
        '{"jawOpen": "x", "jawLeft": "x"}',
        '{"jawOpen": "a\\nb"}',
        "{",
        "[" * 100_000,
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(InputError, match=r"names\.json"):
            read_names(path)
    with pytest.raises(InputError, match=r"none\.json"):
        read_names(tmp_path / "none.json")
    path.write_bytes(b" " * (1 << 21))
    with pytest.raises(InputError, match="megabyte"):
        read_names(path)


@pytest.mark.parametrize(
    "asked",
    [
        {"unit": "ft"},
        {"up": "x"},
        {"tolerance_mm": 0},
        {"tolerance_mm": float("nan")},
        {"inbetweens": 16},
        {"shapes": ()},
        {"names": {"jawOpen": ""}},
        {"names": {"jawOpen": "a", "jawLeft": "a"}},
    ],
)
def test_what_makes_no_sense_is_refused(asked):
    with pytest.raises(InputError):
        Options(**asked)


@pytest.mark.parametrize(
    "asked", [{"names": {"jawOpe": "x"}}, {"shapes": ("jawOpe",)}, {"names": {"jawOpen": "jawLeft"}}]
)
def test_a_slip_in_a_name_leaves_no_file(asked, arrays, tmp_path):
    with pytest.raises(InputError, match=r"jawOpe|jawLeft"):
        write_fbx(lively_track(Head(arrays), 2), Head(arrays), tmp_path / "x.fbx", options=Options(**asked))
    assert not list(tmp_path.iterdir())


# --- lids in between ----------------------------------------------------------------------------------------------


def test_lids_go_round_the_eyeball_by_shapes_in_between(default_head, tmp_path):
    track = smooth_track(default_head, 24)
    bulge = max(np.abs(default_head.arrays.eyelid_dirs[..., 2:]).max(), 1e-4) * 1000
    left = []
    for count in (1, 3, 7):
        write_fbx(track, default_head, tmp_path / "x.fbx", options=Options(inbetweens=count))
        fbx = Fbx(tmp_path / "x.fbx")
        names = {fbx.name(n) for n in fbx.of_kind("Deformer", "BlendShapeChannel")}
        assert "eyeBlinkLeft_bulge" not in names and "eyeBlinkLeft" in names
        apart = [np.linalg.norm(fbx.play(i) - p, axis=1).max() for i, p in enumerate(posed_frames(track, default_head))]
        left.append(1000 * max(apart))
        assert left[-1] < 2.5 * bulge / (count + 1) ** 2  # the docstring's bound, along three axes and with identity
    assert left[0] > 2 * left[1] > 4 * left[2]


# --- which format takes what --------------------------------------------------------------------------------------


def test_every_writer_takes_what_the_table_says(arrays, tmp_path):
    import emberface

    head = Head(arrays)
    track = at_frames(lively_track(head, 2), [0])
    assert set(TAKES) <= set(WRITERS)
    every = {
        "unit": "cm",
        "up": "z",
        "shapes": ("arkit",),
        "names": {"jawOpen": "J"},
        "tolerance_mm": 1.0,
        "inbetweens": 1,
    }
    assert set(every) == {f.name for f in dataclasses.fields(Options)}
    for kind in emberface.FORMATS:
        takes = TAKES.get(kind, set())
        for name in set(every) - takes:
            with pytest.raises(InputError, match=name):
                emberface.export(track, tmp_path / f"x{kind}", head=head, options=Options(**{name: every[name]}))
        if kind in TAKES:
            chosen = Options(**{name: every[name] for name in takes - {"shapes", "names"}})
            emberface.export(track, tmp_path / f"x{kind}", head=head, options=chosen)
            assert (tmp_path / f"x{kind}").exists()
