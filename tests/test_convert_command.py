"""`emberface convert EDITED --from TRACK` and `--audio`, and the same of emberface.load."""

import json

import numpy as np
import pytest
import soundfile

import emberface
from emberface_cli import run
from flame_tools import Appearance, Intervals, load_head, save_track
from flame_tools.errors import InputError
from flame_tools.identity import random_identities
from flame_tools.posing import at_frames, still

RATE = 16000


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A track of two seconds with a person, a texture, sound and phones; and a CSV of it."""
    head = load_head()
    folder = tmp_path_factory.mktemp("talk")
    track = at_frames(still(head, random_identities(head, 1, 0)[0]), [0] * 60).replace(
        time_s=np.arange(60) / 30,
        fps=(30, 1),
        audio=np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32),
        audio_rate=RATE,
        intervals={"phones": Intervals(("M", "AY"), np.array([0.0, 1.0]), np.array([1.0, 2.0]))},
        appearance=Appearance(albedo=np.full((8, 8, 3), 90, np.uint8)),
        licences=("CC-BY-4.0",),
    )
    save_track(track, folder / "talk.face.npz")
    emberface.export(track, folder / "talk.csv")
    return folder, track


def test_an_edited_table_gets_back_what_it_lost(talk, tmp_path, capsys):
    folder, track = talk
    out = tmp_path / "new.face.npz"
    asked = ["convert", folder / "talk.csv", "--from", folder / "talk.face.npz", "-o", out, "-o", tmp_path / "new.wav"]
    assert run([str(a) for a in [*asked, "--fps", "25", "--json"]]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"]["from"] == str(folder / "talk.face.npz") and report["warnings"] == []
    assert "CC-BY-4.0" in report["licences"]
    new = emberface.load(out)
    assert new.fps == (25, 1) and np.array_equal(new.audio, track.audio)
    assert new.intervals["phones"].names == ("M", "AY")
    np.testing.assert_array_equal(new.params.shape, track.params.shape)
    np.testing.assert_array_equal(new.appearance.albedo, track.appearance.albedo)
    assert emberface.load(folder / "talk.csv").audio is None
    same = emberface.load(folder / "talk.csv", like=track, fps=25)
    np.testing.assert_array_equal(same.params.expression, new.params.expression)


def test_what_is_shorter_is_said(talk, tmp_path, capsys):
    folder, _ = talk
    lines = (folder / "talk.csv").read_text().splitlines()
    (tmp_path / "first.csv").write_text("\n".join(lines[:41]))
    asked = ["convert", tmp_path / "first.csv", "--from", folder / "talk.face.npz", "-o", tmp_path / "a.face.npz"]
    assert run([str(a) for a in asked]) == 0
    assert "first.csv covers 0.00 to 1.33 s of 0.00 to 2.00 s: the rest is cut away" in capsys.readouterr().err
    new = emberface.load(tmp_path / "a.face.npz")
    assert len(new) == 40 and len(new.audio) == round(RATE * 4 / 3)
    assert new.intervals["phones"].end_s[-1] == pytest.approx(4 / 3)


def test_a_sound_alone(talk, tmp_path, capsys):
    folder, _ = talk
    other = np.random.default_rng(1).normal(0, 0.1, 3 * 8000)
    soundfile.write(tmp_path / "voice.wav", other, 8000, subtype="FLOAT")
    for source in ("talk.csv", "talk.face.npz"):
        place = tmp_path / "a.face.npz"
        asked = ["convert", folder / source, "--audio", tmp_path / "voice.wav", "-o", place]
        assert run([str(a) for a in asked]) == 0
        assert capsys.readouterr().err == ""
        new = emberface.load(place)
        np.testing.assert_allclose(new.audio, other[:16000], atol=1e-6)
        assert new.audio_rate == 8000
    asked += ["--from", folder / "talk.face.npz"]
    assert run([str(a) for a in asked]) == 0
    both = emberface.load(place)
    assert both.audio_rate == 8000 and both.intervals["phones"].names == ("M", "AY")
    with pytest.raises(InputError, match="like is str; wanted a Track"):
        emberface.load(folder / "talk.csv", like="talk.face.npz")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{tmp}/slow.csv", "--from", "{talk}"], "has the 60 frames of the track"),
        (["{csv}", "--from", "{tmp}/none.face.npz"], "none.face.npz does not exist"),
        (["{csv}", "--audio", "{tmp}/none.wav"], "none.wav does not exist"),
        (["{csv}", "--audio", "{csv}"], "talk.csv"),
        (["{csv}", "--from", "{talk}", "-o", "{talk}"], "read by this command"),
        (["{talk}", "--audio", "{tmp}/short.wav"], "the performance lasts 2.0 s"),
    ],
)
def test_what_does_not_go_together(arguments, said, talk, tmp_path, capsys):
    folder, track = talk
    slow = track.replace(time_s=np.arange(60) / 24, fps=(24, 1))
    emberface.export(slow, tmp_path / "slow.csv")
    soundfile.write(tmp_path / "short.wav", np.random.default_rng(1).normal(0, 0.1, 4000), RATE)
    names = {"tmp": tmp_path, "talk": folder / "talk.face.npz", "csv": folder / "talk.csv"}
    before = sorted(tmp_path.iterdir())
    out = ["-o", str(tmp_path / "a.face.npz")]
    assert run(["convert", *out, *(a.format(**names) for a in arguments)]) == 2
    printed, err = capsys.readouterr()
    assert printed == "" and err.count("\n") == 1 and said in err
    assert sorted(tmp_path.iterdir()) == before
