"""`emberface animate` with phones that are given, and with several recordings."""

import json

import numpy as np
import pytest
import soundfile

import emberface
from animate.audio_file import read_audio
from animate.textgrid import intervals, read_textgrid, write_textgrid
from assets.locate import asset_path
from emberface_cli import run

GRID = {"words": intervals([("my", 0.4, 0.9)]), "phones": intervals([("m", 0.4, 0.6), ("aj", 0.6, 0.9)])}
TEXT = "But as the riper"


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """A folder with three recordings of a second and a half, one and two of a voice and the last a silence."""
    folder = tmp_path_factory.mktemp("voices")
    samples, rate = read_audio(asset_path("voice"))
    length = 3 * rate // 2
    for name, part in (
        ("one", samples[:length]),
        ("two", samples[length : 2 * length]),
        ("mute", 0 * samples[:length]),
    ):
        soundfile.write(folder / f"{name}.wav", part, rate)
    return folder


def refused(capsys, folder, *arguments) -> str:
    before = sorted(folder.rglob("*"))
    assert run([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("emberface: ") and err.count("\n") == 1, err
    assert sorted(folder.rglob("*")) == before
    return err


# --- phones -----------------------------------------------------------------------------------------------------------


def test_phones_go_to_praat_and_come_back(voices, tmp_path, capsys):
    asked = ["animate", str(voices / "one.wav"), "--json"]
    formats = ["--format", "TextGrid,csv"]
    assert run([*asked, "-o", str(tmp_path / "a"), "--text", TEXT, *formats]) == 0
    names = {p.name for p in (tmp_path / "a").iterdir()}
    assert names == {"one.face.npz", "one.TextGrid", "one.csv", "one.report.json"}
    first = emberface.load(tmp_path / "a" / "one.face.npz")
    capsys.readouterr()
    assert run([*asked, "-o", str(tmp_path / "b"), "--phones", str(tmp_path / "a" / "one.TextGrid"), *formats]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"]["phones"] == str(tmp_path / "a" / "one.TextGrid") and report["inputs"]["text"] is None
    assert report["quality"]["phones"]["method"] == "given" and report["warnings"] == []
    grids = [(tmp_path / folder / "one.TextGrid").read_bytes() for folder in "ab"]
    assert grids[0] == grids[1]
    again = emberface.load(tmp_path / "b" / "one.face.npz")
    assert again.intervals["words"].names == first.intervals["words"].names == tuple(TEXT.lower().split())
    np.testing.assert_allclose(again.params.jaw, first.params.jaw, atol=1e-3)
    assert run(["convert", str(tmp_path / "a" / "one.face.npz"), "-o", str(tmp_path / "c.textgrid")]) == 0
    assert (tmp_path / "c.textgrid").read_bytes() == grids[0]


def test_corrected_phones_move_the_lips(voices, tmp_path, capsys):
    write_textgrid(GRID, tmp_path / "mine.TextGrid", end_s=1.5)
    place = tmp_path / "a.face.npz"
    asked = ["animate", voices / "one.wav", "-o", place, "--phones", tmp_path / "mine.TextGrid"]
    assert run([str(a) for a in asked]) == 0
    assert "the phones given do not seem to be what is said" in capsys.readouterr().err
    track = emberface.load(place)
    assert track.intervals["phones"].names == ("SIL", "M", "AY", "SIL")
    jaw = track.params.jaw[:, 0].numpy()
    assert jaw[np.searchsorted(track.time_s, 0.7)] > 2 * jaw[np.searchsorted(track.time_s, 0.5)]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([("m", 0.4, 0.6), ("qx", 0.6, 0.9)], [], "mine.TextGrid names phones that are no ARPAbet: 'qx'"),
        ([("m", 0.4, 2.6)], [], "mine.TextGrid has phones until 2.60 s, and the recording lasts 1.50 s"),
        ([("m", 0.4, 0.6)], ["--text", "my"], "each say what is said; give one of them"),
        ([("m", 0.4, 0.6)], ["--format", "words.srt"], "one.words.srt holds words, and none are known"),
    ],
)
def test_phones_that_do_not_fit(rows, options, said, voices, tmp_path, capsys):
    write_textgrid({"phones": intervals(rows)}, tmp_path / "mine.TextGrid", end_s=3.0)
    asked = ["animate", voices / "one.wav", "-o", tmp_path / "out", "--phones", tmp_path / "mine.TextGrid"]
    assert said in refused(capsys, tmp_path, *asked, *options)


@pytest.mark.parametrize(
    "command",
    [
        "animate {wav} -o {out} --format csv,abc",
        "convert {face} -o {out}.csv -o {out}.abc",
        "recon {photo} -o {out} --format glb,abc",
    ],
)
def test_a_program_that_is_missing_is_told_of_before_anything_is_made(command, voices, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EMBERFACE_BPY", "nobody")
    for work in ("animate", "load", "recon"):
        monkeypatch.setattr(emberface, work, lambda *_, **__: pytest.fail("worked in vain"))
    (tmp_path / "x.face.npz").touch()
    names = {"wav": voices / "one.wav", "photo": asset_path("astronaut")}
    names |= {"out": tmp_path / "out", "face": tmp_path / "x.face.npz"}
    said = refused(capsys, tmp_path, *(word.format(**names) for word in command.split()))
    assert "there is no program nobody to write Alembic with" in said


# --- several recordings -----------------------------------------------------------------------------------------------


def test_several_recordings_and_one_that_fails(voices, tmp_path, capsys):
    several = [str(voices / f"{name}.wav") for name in ("one", "mute", "two")]
    out = tmp_path / "out"
    assert run(["animate", *several, "-o", str(out), "--format", "csv", "--seed", "3", "--json"]) == 2
    printed, err = capsys.readouterr()
    lines = err.splitlines()
    assert lines[0].startswith(f"emberface: {several[1]}: ") and "is silent" in lines[0]
    assert lines[-1] == f"emberface: 1 of 3 recordings became nothing: {several[1]}; the others stand"
    told = json.loads(printed)
    assert list(told["failed"]) == [several[1]] and "is silent" in told["failed"][several[1]]
    assert [report["inputs"]["speech"] for report in told["reports"]] == [several[0], several[2]]
    names = {f"{name}{end}" for name in ("one", "two") for end in (".face.npz", ".csv", ".report.json")}
    assert {p.name for p in out.iterdir()} == names
    alone = emberface.animate(several[2], seed=3)
    np.testing.assert_array_equal(emberface.load(out / "two.face.npz").params.jaw, alone.params.jaw)
    assert json.loads((out / "two.report.json").read_text()) == told["reports"][1]


def test_each_with_its_own_text_or_phones(voices, tmp_path, capsys):
    several = [str(voices / f"{name}.wav") for name in ("one", "two")]
    texts, grids = tmp_path / "texts", tmp_path / "grids"
    texts.mkdir(), grids.mkdir()
    (texts / "one.txt").write_text(TEXT + "\n")
    (texts / "two.txt").write_text("should by time decease")
    assert run(["animate", *several, "-o", str(tmp_path / "a"), "--texts", str(texts), "--format", "words.srt"]) == 0
    printed = capsys.readouterr().out
    assert all(str(tmp_path / "a" / f"{name}.words.srt") in printed for name in ("one", "two"))
    said = [emberface.load(tmp_path / "a" / f"{name}.face.npz").intervals["words"].names for name in ("one", "two")]
    assert said == [tuple(TEXT.lower().split()), ("should", "by", "time", "decease")]
    assert json.loads((tmp_path / "a" / "one.report.json").read_text())["inputs"]["text"] == TEXT
    for name in ("one", "two"):
        write_textgrid(GRID, grids / f"{name}.TextGrid", end_s=1.5)
    (grids / "two.TextGrid").write_text("no grid")
    asked = ["animate", *several, "-o", str(tmp_path / "b"), "--phones", str(grids), "--format", "TextGrid"]
    assert run(asked) == 2
    assert f"emberface: {several[1]}: {grids / 'two.TextGrid'} does not open as a TextGrid" in capsys.readouterr().err
    assert {p.name for p in (tmp_path / "b").iterdir()} == {"one.face.npz", "one.TextGrid", "one.report.json"}
    assert read_textgrid(tmp_path / "b" / "one.TextGrid")["phones"].names == ("SIL", "M", "AY", "SIL")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{one}", "{two}", "-o", "{tmp}/out", "--text", "hello"], "--text is what one recording says"),
        (["{one}", "{two}", "-o", "{tmp}/a.glb"], "a.glb is one file, and there are 2 recordings; give a folder"),
        (["{one}", "{tmp}/one.wav", "-o", "{tmp}/out"], "would both become one.face.npz"),
        (["{one}", "{tmp}/one-take2.wav", "-o", "{tmp}/out", "--takes", "2"], "would both become one-take2.face.npz"),
        (["{one}", "{tmp}/none.wav", "-o", "{tmp}/out"], "none.wav does not exist"),
        (["{one}", "{two}", "-o", "{tmp}/out", "--phones", "{tmp}/one.TextGrid"], "is of one recording; for several"),
        (["{one}", "{two}", "-o", "{tmp}/out", "--phones", "{tmp}"], "two.TextGrid does not exist"),
        (["{one}", "{two}", "-o", "{tmp}/out", "--texts", "{tmp}"], "one.txt does not exist"),
        (["{one}", "-o", "{tmp}/out", "--texts", "{tmp}/one.TextGrid"], "is a file; wanted a folder"),
        (["{one}", "{two}", "-o", "{tmp}/out", "--emotion", "hungry:1"], "hungry"),  # of all: said once
        (["{one}", "{two}", "-o", "{tmp}/out", "--head", "nobody"], "nobody"),
        (["{one}", "{two}", "-o", "{tmp}/out", "--model", "keys", "--audio-guidance", "2"], "guidance is for a flow"),
        (["{one}", "{two}", "-o", "{tmp}/one.wav/out"], "one.wav"),
    ],
)
def test_what_does_not_go_together(arguments, said, voices, tmp_path, capsys):
    for name in ("one", "one-take2"):
        (tmp_path / f"{name}.wav").write_bytes((voices / "one.wav").read_bytes())
    write_textgrid(GRID, tmp_path / "one.TextGrid", end_s=1.5)
    names = {"one": voices / "one.wav", "two": voices / "two.wav", "tmp": tmp_path}
    assert said in refused(capsys, tmp_path, "animate", *(a.format(**names) for a in arguments))
