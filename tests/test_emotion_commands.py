"""`emberface animate --emotion voice`, the file it leaves, and the file fed back."""

import json

import numpy as np
import pytest

import emberface
from animate.emotion_track import read_emotion_csv
from emberface_cli import run


def test_heard_edited_and_fed_back(sound, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--text", "But as the riper", "--format", "emotion.csv", "--json"]
    assert run(["animate", str(sound), "-o", str(out), "--emotion", "voice:2", *options]) == 0
    out_text, err = capsys.readouterr()
    report = json.loads(out_text)
    assert report["inputs"]["emotion"] == "voice:2"
    (doubt,) = report["warnings"]  # it is calm reading
    assert "almost no emotion is heard" in doubt and err == f"emberface: WARNING: {doubt}\n"
    assert {p.name for p in out.iterdir()} == {"word.face.npz", "word.emotion.csv", "word.report.json"}
    track = emberface.load(out / "word.face.npz")
    assert track.curves["affect"].names == ("valence", "arousal")
    felt = read_emotion_csv(out / "word.emotion.csv")
    np.testing.assert_allclose(felt.values, track.curves["emotion"].values, atol=6e-4)

    edited = tmp_path / "edited.csv"
    edited.write_text("time_s,fear\n0,0\n1.5,1\n")
    again = tmp_path / "again.face.npz"
    options = ["--text", "But as the riper", "--emotion-track", str(edited), "--json"]
    assert run(["animate", str(sound), "-o", str(again), *options]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["emotion_track"] == str(edited)
    fear = emberface.load(again).curves["emotion"].values[:, 4]
    np.testing.assert_allclose(fear, np.arange(len(fear)) / 45, atol=1e-6)

    assert run(["convert", str(again), "-o", str(tmp_path / "c.emotion.csv")]) == 0
    np.testing.assert_allclose(read_emotion_csv(tmp_path / "c.emotion.csv").values[:, 4], fear, atol=6e-4)


@pytest.mark.parametrize(
    "options, match",
    [
        (["--emotion", "voice:loud"], "no gain from 0 to 5"),
        (["--emotion-track", "none.csv"], "there is no file none.csv"),
        (["--emotion-track", "none.csv", "--emotion", "happy"], "says all there is to feel"),
        (["--emotion-model", "nowhere", "--emotion", "happy"], "say --emotion voice"),
        (["--emotion-model", "nowhere"], "no audio classifier could be loaded from nowhere"),
    ],
)
def test_what_does_not_go_together(sound, tmp_path, capsys, options, match):
    assert run(["animate", str(sound), "-o", str(tmp_path / "out"), *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and match in err
    assert not list(tmp_path.iterdir())
