"""Emotion from words, numbers, files and the voice, through to the track."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from animate.emotion import EMOTIONS
from animate.emotion_source import FromVoice, feelings_of, source_of
from animate.emotion_track import EmotionTrack, read_emotion_csv, write_emotion_csv
from animate.pipeline import animate
from animate.speech import RATE, measure, prepare
from animate.textgrid import intervals
from flame_tools.errors import FormatError, InputError, ShapeError
from flame_tools.types import Curves, FaceParams, Track
from tests.animate.test_voice_emotion import stirred

HAPPY, SURPRISE = EMOTIONS.index("happy"), EMOTIONS.index("surprise")


def written(tmp_path, text):
    path = tmp_path / "felt.csv"
    path.write_text(text)
    return path


def test_a_track_by_hand(tmp_path):
    path = written(tmp_path, "time_s, joy ,surprise\n1,0,0.5\n\n3,1,0.5\n")
    found = read_emotion_csv(path).at(np.array([0.0, 1.0, 1.5, 3.0, 9.0]))
    assert found.shape == (5, 8)
    np.testing.assert_allclose(found[:, HAPPY], [0, 0, 0.25, 1, 1])
    np.testing.assert_allclose(found[:, SURPRISE], 0.5)
    assert found.sum() == pytest.approx(found[:, [HAPPY, SURPRISE]].sum())


@pytest.mark.parametrize(
    "text, error, match",
    [
        ("", FormatError, "has no column time_s but nothing"),
        ("t,happy\n0,1\n", FormatError, "has no column time_s but t, happy"),
        ("time_s,hapy\n0,1\n", InputError, "'hapy' is unknown; there are: neutral, happy"),
        ("time_s,happy,joy\n0,1,1\n", FormatError, "names a column twice"),
        ("time_s,happy\n", FormatError, "a header and no rows"),
        ("time_s,happy\n0,1\n0,1\n", FormatError, "time_s in row 3 is 0; times must grow"),
        ("time_s,happy\n0,1\nnan,1\n", FormatError, "row 3 is nan"),
        ("time_s,happy\n0,1,2\n", FormatError, "3 cells in row 2"),
        ("time_s,happy\n0,much\n", FormatError, "holds 'much' in row 2"),
        ("time_s,happy\n\n0,0\n\n1,much\n", FormatError, "holds 'much' in row 5"),  # as an editor counts
        ("time_s,happy\n0,1.5\n", InputError, "happy is 1.5, wanted 0 to 1"),
        ("time_s,happy\n0,nan\n", InputError, "NaN or infinite"),
    ],
)
def test_bad_files_say_where(tmp_path, text, error, match):
    with pytest.raises(error, match=match):
        read_emotion_csv(written(tmp_path, text))


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_emotion_csv(tmp_path / "none.csv")
    (tmp_path / "raw.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(FormatError, match="no CSV text"):
        read_emotion_csv(tmp_path / "raw.csv")


@settings(max_examples=20, deadline=None)
@given(arrays(np.float32, (6, 8), elements=st.floats(0, 1, width=32)))
def test_what_is_written_is_read(head, tmp_path_factory, values):
    params = FaceParams.neutral(head, 6)
    track = Track(
        head.arrays.id, params.replace(shape=params.shape[0]), np.arange(6) / 30,
        curves={"emotion": Curves(EMOTIONS, values)},
    )  # fmt: skip
    path = tmp_path_factory.mktemp("felt") / "a.emotion.csv"
    write_emotion_csv(track, path)
    np.testing.assert_allclose(read_emotion_csv(path).at(track.time_s), values, atol=5.1e-4)  # three decimals
    with pytest.raises(InputError, match="no emotion curves"):
        write_emotion_csv(track.replace(curves={}), path)


def test_a_track_that_begins_before_0_s_has_the_clock_of_its_wav(head, tmp_path):
    params = FaceParams.neutral(head, 6)
    track = Track(
        head.arrays.id, params.replace(shape=params.shape[0]), np.arange(6) / 30 - 0.1,
        curves={"emotion": Curves(EMOTIONS, np.eye(8, dtype=np.float32)[:6])},
    )  # fmt: skip
    write_emotion_csv(track, tmp_path / "a.emotion.csv")
    np.testing.assert_allclose(read_emotion_csv(tmp_path / "a.emotion.csv").time_s, np.arange(6) / 30, atol=1e-6)


def test_an_array_of_another_length_is_refused_before_anything_is_heard(head, voice, monkeypatch):
    monkeypatch.setattr("animate.pipeline.measure", lambda speech: pytest.fail("the voice is listened to"))
    with pytest.raises(ShapeError, match="4 frames, the recording has 30"):
        animate(voice[0][:RATE], RATE, head=head, emotion=np.zeros((4, 8)))


def test_sources():
    assert source_of("voice") == FromVoice(1.0) and source_of(" Voice:0.7 ") == FromVoice(0.7)
    np.testing.assert_array_equal(source_of("happy:0.5"), 0.5 * np.eye(8)[HAPPY])
    curve = EmotionTrack(np.array([0.0]), np.zeros((1, 8)))
    assert source_of(curve) is curve


@pytest.mark.parametrize("spec", ["voice:", "voice:loud", "voice:-1", "voice:9", "voice:nan", "voice:0.7,happy:0.2"])
def test_bad_gains(spec):
    with pytest.raises(InputError, match="no gain from 0 to 5"):
        source_of(spec)


def test_gain_is_a_factor(voice):
    samples, _ = stirred(voice[0], voice[1])
    speech = prepare(samples, RATE)
    prosody, times, phones = measure(speech), np.arange(360) / 30, intervals([("AA", 0.0, 12.0)])
    one, three, none = (feelings_of(FromVoice(g), speech, prosody, phones, times) for g in (1.0, 3.0, 0.0))
    assert one.intensities[:, 1:].sum() > 0
    np.testing.assert_allclose(three.intensities[:, 1:], np.minimum(3 * one.intensities[:, 1:], 1))
    np.testing.assert_array_equal(three.curves["affect"].values, one.curves["affect"].values)
    np.testing.assert_array_equal(none.intensities, np.eye(8)[np.zeros(360, int)])
    assert none.curves["emotion"].names == EMOTIONS and none.curves["affect"].names == ("valence", "arousal")
    with pytest.raises(ShapeError, match="4 frames"):
        feelings_of(np.zeros((4, 8)), speech, prosody, phones, times)


def test_hear_edit_feed_back(head, voice, tmp_path):
    """The voice's own emotion leaves as a file and comes back the same, but for what was edited."""
    samples, border_s = stirred(voice[0][: 2 * voice[1]], voice[1])
    text = "But as the riper, but as the riper"
    heard = animate(samples, RATE, head=head, text=text, emotion="voice:3")
    assert {"emotion", "affect"} <= set(heard.curves) and heard.curves["emotion"].values[:, 1:].sum(1).max() > 0.1
    path = tmp_path / "a.emotion.csv"
    write_emotion_csv(heard, path)
    header, *rows = path.read_text().splitlines()
    late = [float(row.split(",")[0]) > border_s for row in rows]
    edited = [",".join([*(cells := row.split(","))[:2], "1.0", *cells[3:]]) for row in rows]
    path.write_text("\n".join([header, *(new if b else old for old, new, b in zip(rows, edited, late, strict=True))]))
    back = animate(samples, RATE, head=head, text=text, emotion=read_emotion_csv(path))
    assert "affect" not in back.curves
    apart = np.abs(back.curves["emotion"].values - heard.curves["emotion"].values)
    assert apart[~np.array(late)].max() < 6e-4 and apart[late, HAPPY].min() > 0.5
    moved = (back.params.expression - heard.params.expression).abs().amax(1).numpy()
    assert moved[~np.array(late)].max() < 5e-3 and moved[late].min() > 0.3


@pytest.mark.parametrize(
    ("times", "values", "said"),
    [
        ([0.0, 1.0], np.zeros((3, 8)), r"times \[2\] and values \[3, 8\]"),
        ([], np.zeros((0, 8)), "a moment or more"),
        ([1.0, 0.0], np.zeros((2, 8)), "grow from moment to moment"),
        ([0.0, np.nan], np.zeros((2, 8)), "finite"),
        ([0.0, 1.0], np.full((2, 8), 3.0), "is 3, wanted 0 to 1"),
    ],
)
def test_a_track_of_ones_own_is_looked_at(times, values, said):
    with pytest.raises(InputError, match=said):
        EmotionTrack(np.array(times), values)


def test_a_gain_out_of_range_is_refused():
    with pytest.raises(InputError, match="is -3, wanted 0 to 5"):
        FromVoice(-3.0)
