"""Whole commands: good input gives files and a report, bad input one line and nothing else."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import soundfile
from PIL import Image

import emberface
import emberface_cli
import emberface_options
from animate.textgrid import write_textgrid
from assets.locate import asset_path
from flame_tools import Appearance, Intervals, load_head, save_head, save_track
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import InputError
from flame_tools.identity import random_identities
from flame_tools.posing import at_frames, still
from flame_tools.surface.lod import simplify
from flame_tools.track_file import FORMAT, VERSION
from tests.flame_tools.flame_shaped import flame_shaped

SILENT_EXTRA = ("Traceback", "Error:", 'File "')


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture
def track_file(head, tmp_path_factory):
    path = tmp_path_factory.mktemp("track") / "some.face.npz"
    save_track(still(head, random_identities(head, 1, 0)[0]), path)
    return path


def refused(capsys, folder: Path, *arguments) -> str:
    """Run a command that must refuse; returns its one line. `folder` must look afterwards as it did before."""
    before = sorted(str(p) for p in folder.rglob("*"))
    code = emberface_cli.run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert code == 2, (code, out, err)
    assert out == ""
    assert err.startswith("emberface: ") and err.count("\n") == 1 and not any(x in err for x in SILENT_EXTRA), err
    assert sorted(str(p) for p in folder.rglob("*")) == before
    return err


# --- tracks and places ----------------------------------------------------------------------------------------------


def test_convert_writes_all_and_a_report(capsys, track_file, tmp_path):
    places = [tmp_path / "deep" / name for name in ("a.glb", "a.csv", "a_obj", "a.face.npz", "a.png")]
    arguments = [x for place in places for x in ("-o", str(place))]
    assert emberface_cli.run(["convert", str(track_file), *arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "deep" / "a.report.json").read_text())
    assert printed["outputs"] == [str(p) for p in places] and all(p.exists() for p in places)
    assert set(printed) == {"command", "version", "inputs", "outputs", "licences", "seconds", "quality", "warnings"}
    assert printed["version"] == emberface.__version__ and printed["seconds"]["total"] > 0
    kept = {p.name for p in (tmp_path / "deep").iterdir()}
    assert kept == {*(p.name for p in places), "a.report.json"}


def test_convert_names_every_kind_of_file(capsys, track_file, tmp_path):
    of_speech = {".wav", ".emotion.csv", ".TextGrid", ".visemes.json", ".visemes.srt", ".words.srt"}
    of_flame = {".smplx.npz", ".smplx.pkl", ".emote.npz", ".emote.pkl"}
    of_photos = {".height.png"}
    kinds = [k for k in emberface.FORMATS if k not in {"", ".abc", *of_photos, *of_speech, *of_flame, *emberface.DRAWN}]
    places = [tmp_path / f"a{kind}" for kind in kinds]
    arguments = [x for place in places for x in ("-o", str(place))]
    assert emberface_cli.run(["convert", str(track_file), *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == [str(p) for p in places]
    assert {p.name for p in tmp_path.iterdir()} == {*(p.name for p in places), "a.report.json"}
    assert all(place.stat().st_size > 50 for place in places)  # a dance in which nothing moves is short
    assert {f".{name}" for name in emberface_options.Format} - {".obj"} <= set(emberface.FORMATS)
    for kind in of_speech | of_flame:
        line = refused(capsys, tmp_path, "convert", track_file, "-o", tmp_path / f"b{kind}")
        assert ("is no FLAME head" if kind in of_flame else "the track h") in line  # has no phones, holds no curves


def test_render_from_a_side_beside_another_as_a_loop(capsys, head, track_file, tmp_path):
    other = tmp_path / "other.face.npz"
    save_track(still(head, random_identities(head, 2, 5)[1]).replace(licences=("CC-BY-4.0",)), other)
    place = tmp_path / "both.gif"
    arguments = [
        "render",
        track_file,
        "-o",
        place,
        "--size",
        "64x64",
        "--compare",
        other,
        "--view",
        "profile",
        "--json",
    ]
    assert emberface_cli.run([str(a) for a in arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"]["compare"] == str(other) and "CC-BY-4.0" in report["licences"]
    with Image.open(place) as picture:
        assert picture.size[0] == 8 + 3 * 72  # two heads and their distance


def test_convert_at_a_level_of_detail(capsys, track_file, tmp_path):
    out = tmp_path / "low.glb"
    assert emberface_cli.run(["convert", str(track_file), "-o", str(out), "--lod", "0.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["lod"] == 0.1
    file = pygltflib.GLTF2().load(out)
    triangles = sum(file.accessors[part.indices].count for mesh in file.meshes for part in mesh.primitives) // 3
    assert 1300 < triangles <= 1467
    line = refused(capsys, tmp_path, "convert", track_file, "-o", tmp_path / "low.face.npz", "--lod", "0.1")
    assert "holds parameters and no triangles" in line


@pytest.fixture
def talk(head, tmp_path):
    """A file of four frames with texture and sound."""
    rest = still(head, random_identities(head, 1, 0)[0])
    track = at_frames(rest, [0] * 4).replace(
        time_s=np.arange(4) / 30,
        fps=(30, 1),
        audio=np.zeros(1600, np.float32),
        audio_rate=16000,
        appearance=Appearance(albedo=np.full((8, 8, 3), 90, np.uint8)),
    )
    save_track(track, tmp_path / "talk.face.npz")
    return tmp_path / "talk.face.npz"


def test_what_lies_beside_a_file_comes_with_it(capsys, talk, tmp_path):
    pytest.importorskip("pxr", reason="usd-core is not installed: pip install 'emberface[usd]'")
    out = tmp_path / "new" / "talk.usdc"
    assert emberface_cli.run(["convert", str(talk), "-o", str(out), "--json"]) == 0
    beside = [out, out.with_name("talk.usdc.png"), out.with_name("talk.usdc.wav")]
    assert json.loads(capsys.readouterr().out)["outputs"] == [str(place) for place in beside]
    assert sorted(out.parent.iterdir()) == sorted([*beside, out.with_name("talk.report.json")])
    named = [out.with_name(name) for name in ("talk.csv", "talk")]  # a folder's name may begin another's
    assert emberface_cli.run(["convert", str(talk), *(x for place in named for x in ("-o", str(place))), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == [str(place) for place in named]


def test_what_does_not_come_back_from_a_file_is_said(capsys, talk, tmp_path):
    arguments = [str(talk), "-o", str(tmp_path / "a.glb"), "-o", str(tmp_path / "a.fbx")]
    assert emberface_cli.run(["convert", *arguments]) == 0
    assert capsys.readouterr().err == ""
    for name, lost in (("a.glb", "no sound is read"), ("a.fbx", "no texture and no sound is read")):
        arguments = ["convert", str(tmp_path / name), "-o", str(tmp_path / "b.face.npz")]
        assert emberface_cli.run(arguments) == 0
        err = capsys.readouterr().err
        assert err.startswith(f"emberface: WARNING: {lost}") and err.count("\n") == 1
        assert len(json.loads((tmp_path / "b.report.json").read_text())["warnings"]) == 1


def test_a_table_that_does_not_say_its_rate_is_told_of(capsys, talk, tmp_path):
    table, out = tmp_path / "a.csv", ["-o", str(tmp_path / "b.face.npz")]
    assert emberface_cli.run(["convert", str(talk), "-o", str(table)]) == 0
    capsys.readouterr()
    for source, said in (([], True), (["--from", str(talk)], False), (["--frame", "0"], True)):
        assert emberface_cli.run(["convert", str(table), *source, *out]) == 0
        assert ("taken for 60 frames a second" in capsys.readouterr().err) is said


def test_a_file_of_another_head_is_told_of(capsys, talk, tmp_path):
    save_head(dataclasses.replace(load_head().arrays, id="other"), tmp_path / "other.npz")
    assert emberface_cli.run(["convert", str(talk), "-o", str(tmp_path / "a.glb")]) == 0
    capsys.readouterr()
    asked = ["--head", str(tmp_path / "other.npz"), "-o", str(tmp_path / "b.face.npz")]
    assert emberface_cli.run(["convert", str(tmp_path / "a.glb"), *asked]) == 0
    err = capsys.readouterr().err
    assert "was made on head 'default' and is read on 'other' by ARKit's names; --head default reads it whole" in err


def test_one_frame_of_a_track(capsys, talk, tmp_path):
    out = tmp_path / "new" / "talk.ply"
    assert "--frame" in refused(capsys, tmp_path, "convert", talk, "-o", out)
    assert "it has 4" in refused(capsys, tmp_path, "convert", talk, "-o", out, "--frame", "4")
    assert emberface_cli.run(["convert", str(talk), "-o", str(out), "--frame", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["frame"] == 3 and out.read_bytes().startswith(b"ply")


def test_options_are_refused_before_anything_is_done(capsys, monkeypatch, talk, tmp_path):
    monkeypatch.setattr(emberface, "load", lambda *_, **__: pytest.fail("worked in vain"))
    for name, asked in (("a.csv", ["--unit", "cm"]), ("a.mp4", ["--tolerance", "1"]), ("a.html", ["--up", "z"])):
        assert "no choice of" in refused(capsys, tmp_path, "convert", talk, "-o", tmp_path / name, *asked)


def test_no_second_value_is_lost(capsys, talk, tmp_path):
    twice = ["-o", tmp_path / "a.glb", "--out", tmp_path / "b.csv"]
    line = refused(capsys, tmp_path, "animate", asset_path("voice"), *twice)
    assert "--out is given 2 times" in line and "--format" in line
    assert "--head is given 2 times" in refused(capsys, tmp_path, "view", talk, "--head", "a", "--head=b")
    assert emberface_cli.run(["convert", str(talk), *map(str, twice)]) == 0  # which writes several
    assert (tmp_path / "a.glb").exists() and (tmp_path / "b.csv").exists()
    capsys.readouterr()
    assert "No such option" in refused(capsys, tmp_path, "convert", talk, "--nothing", "1", "--nothing", "1")


def test_how_a_performance_was_made_stays_told(capsys, talk, tmp_path):
    own = tmp_path / "talk.face.npz"
    own.write_bytes(talk.read_bytes())
    made = tmp_path / "talk.report.json"
    made.write_text('{"command": "animate"}')
    for name in ("talk.csv", "talk.glb"):
        assert emberface_cli.run(["convert", str(own), "-o", str(tmp_path / name)]) == 0
        assert json.loads((tmp_path / f"{name}.report.json").read_text())["command"] == "convert"
    assert made.read_text() == '{"command": "animate"}'
    for _ in range(2):  # of its own kind it is replaced, as what it tells of is
        assert emberface_cli.run(["convert", str(own), "-o", str(tmp_path / "other.csv")]) == 0
    assert (tmp_path / "other.report.json").exists() and not (tmp_path / "other.csv.report.json").exists()


def test_a_page_is_called_as_its_file_and_has_no_size(capsys, talk, tmp_path):
    page = tmp_path / "a talk.html"
    assert "has no choice of size" in refused(capsys, tmp_path, "render", talk, "-o", page, "--size", "640x480")
    assert emberface_cli.run(["render", str(talk), "-o", str(page)]) == 0
    assert "<title>a talk</title>" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("kind", "said"), [("ply", "one frame"), ("stl", "one frame"), ("words.srt", "--text"), ("smplx.npz", "FLAME")]
)
def test_what_speech_cannot_become_is_refused_before_it_is_heard(kind, said, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(emberface, "animate", lambda *_, **__: pytest.fail("worked in vain"))
    line = refused(capsys, tmp_path, "animate", asset_path("voice"), "-o", tmp_path / "out", "--format", f"glb,{kind}")
    assert said in line and f"voice.{kind}" in line


def test_places_are_called_as_the_user_calls_them(capsys, monkeypatch, talk, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert " a.stl can hold" in refused(capsys, tmp_path, "convert", talk, "-o", "a.stl")


def test_parameters_without_a_rate_get_one(capsys, tmp_path):
    arrays = flame_shaped(vertices=60, faces=100, eyelids=True)
    save_head(arrays, tmp_path / "flame.npz")
    sizes = {"shape_params": 300, "expression_params": 50, "pose_params": 3, "jaw_params": 3, "eyelid_params": 2}
    smirk = {name: np.zeros((20, size), np.float32) for name, size in sizes.items()}
    np.savez(tmp_path / "smirk.npz", **smirk)
    asked = ["convert", tmp_path / "smirk.npz", "-o", tmp_path / "talk.face.npz"]
    assert "name it by --head" in refused(capsys, tmp_path, *asked)
    asked += ["--head", tmp_path / "flame.npz"]
    assert "--fps" in refused(capsys, tmp_path, *asked)
    assert emberface_cli.run([str(a) for a in [*asked, "--fps", "25"]]) == 0
    assert emberface.load(tmp_path / "talk.face.npz").fps == (25, 1)


def test_convert_to_another_head(capsys, head, tmp_path):
    other = tmp_path / "other.npz"
    save_head(simplify(head.arrays, ratio=0.3), other)
    save_track(still(head, 0 * random_identities(head, 1, 0)[0]), tmp_path / "rest.face.npz")
    out = tmp_path / "moved.face.npz"
    arguments = ["convert", str(tmp_path / "rest.face.npz"), "--to", str(other), "-o", str(out), "--json"]
    assert emberface_cli.run(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["quality"]["residual_mm"] < 0.2 and printed["inputs"]["to"] == str(other)
    moved = emberface.load(out)
    assert moved.head_id == load_head(other).arrays.id != head.arrays.id
    line = refused(capsys, tmp_path, "convert", tmp_path / "rest.face.npz", "--to", "nobody", "-o", tmp_path / "x.glb")
    assert "nobody" in line


def test_a_later_failure_takes_the_earlier_outputs_with_it(capsys, track_file, tmp_path):
    line = refused(
        capsys, tmp_path, "convert", track_file, "-o", tmp_path / "new" / "a.glb", "-o", tmp_path / "new" / "a.wav"
    )
    assert "no sound" in line and str(tmp_path / "new" / "a.wav") in line


def test_names_with_dots_keep_them(capsys, head, tmp_path):
    save_track(still(head, random_identities(head, 1, 0)[0]), tmp_path / "take.2.face.npz")
    assert emberface_cli.run(["convert", str(tmp_path / "take.2.face.npz"), "-o", str(tmp_path / "take.2_obj")]) == 0
    assert (tmp_path / "take.2_obj" / "frame_0001.obj").is_file()


def test_nothing_is_computed_for_a_place_that_cannot_be_written(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(emberface, "recon", lambda *_, **__: pytest.fail("worked in vain"))
    (tmp_path / "plain").write_text("a file")
    assert "cannot write" in refused(capsys, tmp_path, "demo", "-o", tmp_path / "plain" / "out")
    (tmp_path / "out" / "astronaut.glb").mkdir(parents=True)
    assert "is a folder" in refused(capsys, tmp_path, "recon", asset_path("astronaut"), "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["convert", "{track}", "-o", "{tmp}/a.x3d"], "no writer"),
        (["convert", "{track}", "-o", "{tmp}/a.obj"], "folder"),
        (["convert", "{tmp}/none.face.npz", "-o", "{tmp}/a.glb"], "none.face.npz"),
        (["convert", "{track}", "-o", "{tmp}/a.glb", "--head", "{tmp}/none.npz"], "none.npz"),
        (["convert", "{track}", "-o", "{file}/a.glb"], "file"),
        (["convert", "{track}", "-o", "{file}/deeper/a.glb"], "cannot write"),
        (["render", "{track}", "-o", "{tmp}/a.glb"], ".mp4"),
        (["render", "{track}", "-o", "{tmp}/a.png", "--size", "huge"], "WIDTHxHEIGHT"),
        (["render", "{track}", "-o", "{tmp}/a.png", "--size", "²x16"], "WIDTHxHEIGHT"),
        (["render", "{track}", "-o", "{tmp}/a.png", "--size", "17x16"], "even numbers from 16 to 4096"),
        (["render", "{track}", "-o", "{tmp}"], "cannot draw"),
        (["convert", "{track}", "-o", ""], "a name of its own"),
        (["convert", "{track}", "-o", "{tmp}/.."], "a name of its own"),
        (["live", "{tmp}/none.mp4"], "none.mp4 does not exist"),
        (["live", "camera:nothing"], "no camera can be opened"),
        (["render", "{track}", "-o", "{tmp}/a.png", "--passes", "shadow"], "there are: shaded"),
        (["render", "{track}", "-o", "{tmp}/a.png", "--view", "above"], "turntable"),
        (["render", "{track}", "-o", "{tmp}/a.png", "--compare", "{tmp}/none.face.npz"], "none.face.npz"),
        (["eval", "lips", "{track}"], "--textgrid"),
        (["eval", "lips", "{track}", "--text", "hello"], "no sound"),
        (["head", "info", "{file}"], "not a readable"),
        (["head", "random", "-o", "{tmp}/a.png", "--ancestry", "martian"], "martian"),
        (["head", "random", "-o", "{tmp}/a.png", "--age", "old"], "years"),
        (["dance"], "dance"),
        (["convert", "{track}"], "'--out'; emberface convert --help shows"),
        (["convert", "{track}", "-o", "{tmp}/a.glb", "--sise", "3"], "--sise"),
        (["render", "{track}", "-o", "{tmp}/a.png", "--view", "behind"], "'--view': 'behind' is not one of"),
        (["recon", "{tmp}/none.jpg", "-o", "{tmp}/out"], "none.jpg does not exist"),
        (["recon", "{file}", "-o", "{tmp}/out"], "no picture and no film"),
        (["recon", "silent.wav", "{track}", "-o", "{tmp}/out"], "silent.wav does not exist"),
        (["animate", "{file}", "-o", "{tmp}/out", "--text", "Привет, мир"], "no word in English letters"),
        (["animate", "{file}", "-o", "{tmp}/out", "--identity", "none.face.npz"], "none.face.npz does not exist"),
        (["animate", "{voice}", "-o", "{tmp}/out", "--model", "nomodel"], "built in (rules, motion, flow, keys)"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(arguments, said, capsys, track_file, tmp_path):
    (tmp_path / "plain.txt").write_text("a file")
    names = {"track": track_file, "tmp": tmp_path, "file": tmp_path / "plain.txt"}
    names["voice"] = asset_path("voice")
    assert said in refused(capsys, tmp_path, *(a.format(**names) for a in arguments))


def _newer(arrays, header):
    header["version"] = VERSION + 1


def _misshapen(arrays, header):
    arrays["params.jaw"] = arrays["params.jaw"][:, :2]


def _poisoned(arrays, header):
    arrays["params.neck"][0, 0] = np.nan


def _incomplete(arrays, header):
    del arrays["params.eyes"]


def _another_head(arrays, header):
    header["head_id"] = "somebody else"


def _another_size(arrays, header):
    arrays["params.expression"] = arrays["params.expression"][:, :-3]


@pytest.mark.parametrize("spoil", [_newer, _misshapen, _poisoned, _incomplete, _another_head, _another_size])
def test_spoilt_tracks_are_refused(spoil, capsys, track_file, tmp_path):
    arrays, header = read_npz(track_file, FORMAT, VERSION)
    spoil(arrays, header)
    write_npz(track_file, arrays, header)
    refused(capsys, tmp_path, "convert", track_file, "-o", tmp_path / "a.glb")


def test_a_folder_that_may_not_be_written(capsys, track_file, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):  # root may write anywhere but among the kernel's own files
        locked = Path("/proc/self")
    refused(capsys, tmp_path, "convert", track_file, "-o", locked / "a.glb")


def test_what_is_read_is_never_replaced(capsys, track_file, tmp_path):
    before = track_file.read_bytes()
    assert "read by this command" in refused(capsys, tmp_path, "convert", track_file, "-o", track_file)
    assert track_file.read_bytes() == before


def test_a_place_named_twice(capsys, monkeypatch, track_file, tmp_path):
    monkeypatch.setattr(emberface, "load", lambda *_, **__: pytest.fail("worked in vain"))
    places = ["-o", tmp_path / "a.csv", "-o", tmp_path / "a.csv"]
    assert "named twice" in refused(capsys, tmp_path, "convert", track_file, *places)


@pytest.mark.parametrize("fails", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_all_outputs_or_none(fails, capsys, monkeypatch, track_file, tmp_path):
    """The second of two moves fails: the first is taken back, and what both had replaced is there again."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("before")
    rename, stopped = Path.rename, []

    def full(source, target):
        if Path(target) == tmp_path / "b.csv" and not stopped:
            stopped.append(source)
            raise fails
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", full)
    places = ["-o", str(tmp_path / "a.csv"), "-o", str(tmp_path / "b.csv")]
    code = emberface_cli.run(["convert", str(track_file), *places])
    assert code == (130 if isinstance(fails, KeyboardInterrupt) else 2) and stopped
    assert ("free some space" in capsys.readouterr().err) == isinstance(fails, OSError)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.csv": "before", "b.csv": "before"}


def test_an_output_may_have_any_name(track_file, tmp_path):
    for _ in range(2):
        assert emberface_cli.run(["convert", str(track_file), "-o", str(tmp_path / "replaced"), "--json"]) == 0
    assert not (tmp_path / "replaced" / "replaced").exists() and (tmp_path / "replaced").is_dir()


@pytest.mark.parametrize(
    ("text", "rate"),
    [("25", (25, 1)), ("29.97", (30000, 1001)), ("23.976", (24000, 1001)), ("30000/1001", (30000, 1001))],
)
def test_frame_rates(text, rate):
    assert emberface_options.frame_rate_of(text).as_integer_ratio() == rate


@pytest.mark.parametrize("text", ["0", "-25", "1000", "fast", "25/0", "nan"])
def test_what_is_no_frame_rate(text):
    with pytest.raises(InputError, match="no frame rate"):
        emberface_options.frame_rate_of(text)


def test_a_number_after_a_dot_belongs_to_a_folder():
    places, report = emberface_options.places_of(Path("take1.2"), "voice", "glb")
    assert places == [Path("take1.2/voice.face.npz"), Path("take1.2/voice.glb")]
    assert report == Path("take1.2/voice.report.json")


def test_the_track_itself_is_a_format_that_is_always_written():
    places, _ = emberface_options.places_of(Path("takes"), "voice", "face.npz,glb")
    assert places == [Path("takes/voice.face.npz"), Path("takes/voice.glb")]
    assert emberface_options.places_of(Path("takes"), "voice", "face.npz")[0] == places[:1]
    with pytest.raises(InputError, match="format 'bla' is not known"):
        emberface_options.places_of(Path("takes"), "voice", "glb,bla")


def test_an_interrupted_run_leaves_nothing(capsys, monkeypatch, track_file, tmp_path):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(emberface, "render", stop)
    places = ["-o", str(tmp_path / "new" / "a.glb"), "-o", str(tmp_path / "new" / "a.png")]
    assert emberface_cli.run(["convert", str(track_file), *places]) == 130
    assert not list(tmp_path.iterdir())


# --- pictures -------------------------------------------------------------------------------------------------------


def _text_named_jpg(path):
    path.write_text("not a picture")


def _no_face(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)).save(path, "PNG")


def _blank(path):
    Image.new("RGB", (640, 480), (200, 180, 160)).save(path, "PNG")


def _one_pixel(path):
    Image.new("RGB", (1, 1)).save(path, "PNG")


def _tiny_face(path):
    field = Image.new("RGB", (900, 900), (90, 110, 120))
    field.paste(Image.open(asset_path("astronaut")).convert("RGB").resize((24, 24)), (400, 400))
    field.save(path, "PNG")


def _cut_face(path):
    # the face spans columns 170 to 280 of the portrait: half of it is beyond the border
    Image.open(asset_path("astronaut")).convert("RGB").crop((222, 0, 512, 512)).save(path, "PNG")


def _half_a_file(path):
    path.write_bytes(asset_path("astronaut").read_bytes()[:100_000])


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "make", [_text_named_jpg, _no_face, _blank, _one_pixel, _tiny_face, _cut_face, _half_a_file, _empty]
)
def test_pictures_without_a_usable_face_are_refused(make, capsys, tmp_path):
    make(tmp_path / "photo.jpg")
    refused(capsys, tmp_path, "recon", tmp_path / "photo.jpg", "-o", tmp_path / "out")


def _cmyk(picture, path):
    picture.convert("CMYK").save(path.with_suffix(".jpg"), quality=95)
    return path.with_suffix(".jpg")


def _sixteen_bit(picture, path):
    grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def _turned_by_exif(picture, path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side: turn a quarter clockwise to look at it
    picture.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"), exif=exif, quality=95)
    return path.with_suffix(".jpg")


@pytest.mark.parametrize("make", [_cmyk, _sixteen_bit, _turned_by_exif])
def test_odd_but_good_pictures_are_read(make, capsys, tmp_path):
    path = make(Image.open(asset_path("astronaut")).convert("RGB"), tmp_path / "photo")
    assert emberface_cli.run(["recon", str(path), "-o", str(tmp_path / "out"), "--format", "glb", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["quality"]["nme_468"] < 0.035
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"photo.face.npz", "photo.glb", "photo.report.json"}


def test_weak_perspective_is_asked_for_and_cannot_be_joined_with_everything(capsys, tmp_path):
    weak = ["recon", str(asset_path("astronaut")), "-o", str(tmp_path / "out"), "--camera", "weak"]
    assert "a focal length or a place was given" in refused(capsys, tmp_path, *weak, "--focal", "700")
    assert "regress sees in perspective" in refused(capsys, tmp_path, *weak, "--method", "regress")
    assert "perspective" in refused(capsys, tmp_path, *weak[:-1], "fisheye")
    assert emberface_cli.run([*weak, "--format", "glb,png", "--report", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"] == {
        "image": str(asset_path("astronaut")), "all": False, "head": "default", "method": "auto", "camera": "weak",
        "focal": None, "one_moment": None, "photometric": True, "causal": False, "parts": None, "detail": False,
        "checkpoint": None,
    }  # fmt: skip
    assert report["quality"]["report"]["people"][0]["pixels_per_m"]
    track = emberface.load(tmp_path / "out" / "astronaut.face.npz")
    assert track.camera.orthographic and (tmp_path / "out" / "astronaut.glb").stat().st_size > 1e5


# --- sounds ---------------------------------------------------------------------------------------------------------


def _silence(path):
    soundfile.write(path, np.zeros(32000), 16000)


def _nan(path):
    samples = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    samples[500] = np.nan
    soundfile.write(path, samples, 16000, subtype="FLOAT")


def _truncated(path):
    soundfile.write(path, np.random.default_rng(0).normal(size=48000) / 5, 16000)
    path.write_bytes(path.read_bytes()[:20_000])


def _no_sound(path):
    soundfile.write(path, np.zeros(0), 16000)


@pytest.mark.parametrize("make", [_empty, _silence, _nan, _truncated, _no_sound, _text_named_jpg])
def test_sounds_without_usable_speech_are_refused(make, capsys, tmp_path):
    make(tmp_path / "voice.wav")
    refused(capsys, tmp_path, "animate", tmp_path / "voice.wav", "-o", tmp_path / "out")


@pytest.mark.parametrize("options", [["--emotion", "hungry:1"], ["--emotion", "happy:very"], ["--format", "x3d"]])
def test_options_that_mean_nothing_are_refused(options, capsys, tmp_path):
    refused(capsys, tmp_path, "animate", asset_path("voice"), "-o", tmp_path / "out", *options)


@pytest.mark.parametrize(("rate", "channels", "subtype"), [(96000, 2, "PCM_24"), (11025, 1, "PCM_U8")])
def test_odd_but_good_sounds_speak(rate, channels, subtype, capsys, tmp_path):
    import soxr

    samples, original = soundfile.read(asset_path("voice"))
    samples = soxr.resample(samples, original, rate)
    soundfile.write(tmp_path / "voice.wav", np.stack([samples] * channels, 1), rate, subtype=subtype)
    text = asset_path("voice_text").read_text()
    arguments = ["animate", tmp_path / "voice.wav", "-o", tmp_path / "out", "--text", text, "--format", "csv", "--json"]
    assert emberface_cli.run([str(a) for a in arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["quality"]["bilabial_closure"] >= 0.8
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"voice.face.npz", "voice.csv", "voice.report.json"}
    assert report["quality"]["own_phones"] is True and report["quality"]["phones_from"] == "text"
    again = ["eval", "lips", str(tmp_path / "out" / "voice.face.npz"), "--text", text, "--json"]
    assert emberface_cli.run(again) == 0
    assert json.loads(capsys.readouterr().out)["bilabial_closure"] == pytest.approx(
        report["quality"]["bilabial_closure"]
    )


def test_lips_are_measured_against_a_textgrid(capsys, tmp_path):
    text = asset_path("voice_text").read_text()
    place = tmp_path / "voice.face.npz"
    assert emberface_cli.run(["animate", str(asset_path("voice")), "-o", str(place), "--text", text, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["quality"]
    track = emberface.load(place)
    write_textgrid({"phones": track.intervals["phones"]}, tmp_path / "a.TextGrid", end_s=float(track.time_s[-1]) + 1)
    arguments = ["eval", "lips", str(place), "--json", "--textgrid"]
    assert emberface_cli.run([*arguments, str(tmp_path / "a.TextGrid")]) == 0
    measured = json.loads(capsys.readouterr().out)
    for name in ("bilabial_closure", "false_closure", "silence_rest", "open_gap_mm", "loudness_opening_r"):
        assert measured[name] == pytest.approx(report[name], abs=0.02), name
    # the same phones a second late: the figures must notice
    late = track.intervals["phones"]
    late = Intervals(late.names, late.start_s + 1, late.end_s + 1)
    write_textgrid({"phones": late}, tmp_path / "late.TextGrid", end_s=float(track.time_s[-1]) + 2)
    assert emberface_cli.run([*arguments, str(tmp_path / "late.TextGrid")]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["bilabial_closure"] < 0.8
    assert measured["own_phones"] is False and measured["phones_from"] == "given"
    # the face's own phones: whoever reads it is told that these moved it
    aloud = [argument for argument in arguments if argument != "--json"]
    assert emberface_cli.run([*aloud, str(tmp_path / "a.TextGrid")]) == 0
    assert emberface_options.OWN_PHONES in capsys.readouterr().out
    assert emberface_cli.run([*aloud, str(tmp_path / "late.TextGrid")]) == 0
    assert emberface_options.OWN_PHONES not in capsys.readouterr().out
    (tmp_path / "empty.TextGrid").write_text("nothing")
    refused(capsys, tmp_path, *arguments, tmp_path / "empty.TextGrid")


# --- the installed command ------------------------------------------------------------------------------------------


def test_the_command_runs_in_its_own_process(tmp_path):
    command = [sys.executable, "-m", "emberface"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"emberface {emberface.__version__}\n" and done.stderr == ""
    done = subprocess.run(
        [*command, "recon", tmp_path / "none.png", "-o", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_what_a_character_lacks_is_a_plain_list(capsys):
    """No published file brings it: nothing stands behind its name."""
    emberface_options.say_figures({"missing": {"landmarks 68": "", "lips": ""}, "landmarks": {"68": 68}}, False)
    assert [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()] == [
        "landmarks 68, lips", "68 68",
    ]  # fmt: skip
