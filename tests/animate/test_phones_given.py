"""Phones that an animator gives: a performance's own, corrected in Praat, and those of an aligner."""

import numpy as np
import pytest
import torch

import emberface
from animate.doubts import doubts_of
from animate.phones_given import phones_given
from animate.pipeline import animate
from animate.textgrid import intervals, read_textgrid, write_textgrid
from flame_tools import Intervals
from flame_tools.errors import InputError
from flame_tools.lips import CLOSED_MM, Lips
from tests.animate.conftest import utterance

PARAMS = ("expression", "jaw", "neck", "eyes", "eyelids")


@pytest.fixture(scope="module")
def spoken(head, voice):
    return animate(voice[0], voice[1], head=head, text=voice[2], seed=4)


def test_out_to_praat_and_back_is_exact(head, voice, spoken, tmp_path):
    path = tmp_path / "voice.TextGrid"
    emberface.export(spoken, path)
    tiers = read_textgrid(path)
    assert list(tiers) == ["words", "phones"] and tiers["phones"].end_s[-1] == pytest.approx(6.0)
    again = animate(voice[0], voice[1], head=head, phones=path, seed=4)
    for name in ("phones", "words"):
        ours, theirs = spoken.intervals[name], again.intervals[name]
        assert theirs.names == ours.names
        np.testing.assert_allclose(theirs.start_s, ours.start_s, atol=1e-6)  # six decimals
        np.testing.assert_allclose(theirs.end_s, ours.end_s, atol=1e-6)
    for name in PARAMS:  # rules follow the phones, so that the same phones are the same face
        torch.testing.assert_close(getattr(again.params, name), getattr(spoken.params, name), rtol=0, atol=1e-3)
    assert again.provenance["phones"]["method"] == "given" and again.provenance["method"] == "rules"
    assert again.provenance["phones"]["fits"] is True and doubts_of(again) == []
    assert again.licences == (head.arrays.licence,), "the aligner had no part in it"
    emberface.export(again, tmp_path / "second.TextGrid")
    assert (tmp_path / "second.TextGrid").read_bytes() == path.read_bytes()


def test_lips_close_where_the_animator_says(head, voice):
    tiers = {"phones": intervals([("AA", 1.0, 2.0), ("M", 2.0, 2.15), ("AA", 2.15, 3.0)])}
    made = animate(voice[0], voice[1], head=head, phones=tiers, emotion={"happy": 0.3})
    assert made.intervals["phones"].names == ("SIL", "AA", "M", "AA", "SIL") and not len(made.intervals["words"])
    closed = (np.abs(Lips(head, made.params.shape).gaps_mm(made.params)) <= CLOSED_MM).all(1)
    inside = (made.time_s >= 2.0) & (made.time_s <= 2.15)
    open_there = (made.time_s >= 1.2) & (made.time_s <= 1.8)
    assert closed[inside].any() and not closed[open_there].any()
    (doubt,) = doubts_of(made)
    assert "the phones given do not seem to be what is said" in doubt


def test_a_network_closes_lips_at_the_phones_given(head, voice):
    moved = {"phones": intervals([("M", 4.9, 5.1)])}
    made = emberface.animate(voice[0], voice[1], head=head, phones=moved, model="motion")
    assert made.provenance["method"] == "learned" and made.intervals["phones"].names == ("SIL", "M", "SIL")
    closed = (np.abs(Lips(head, made.params.shape).gaps_mm(made.params)) <= CLOSED_MM).all(1)
    assert closed[(made.time_s >= 4.9) & (made.time_s <= 5.1)].any()


def test_a_track_gives_its_phones(head, voice, spoken, tmp_path):
    emberface.export(spoken, tmp_path / "a.face.npz")
    duration_s = len(voice[0]) / voice[1]
    for given in (tmp_path / "a.face.npz", spoken.intervals):
        found = phones_given(given, duration_s)
        assert found.phones.names == spoken.intervals["phones"].names
        np.testing.assert_array_equal(found.phones.start_s, spoken.intervals["phones"].start_s)
        assert found.words.names == spoken.intervals["words"].names


def test_what_lies_beyond_the_recording_is_left_out_and_silence_is_no_word():
    words = intervals([("sp", 0.0, 0.2), ("my", 0.2, 0.5), ("sil", 0.5, 1.0), ("<eps>", 1.0, 2.05), ("t", 2.05, 2.09)])
    found = phones_given({"phones": intervals([("m", 0.2, 0.5), ("t", 2.05, 2.09)]), "words": words}, 2.0)
    assert found.phones.names == ("SIL", "M", "SIL") and found.phones.end_s[-1] == 2.0
    assert found.words.names == ("my",)


def test_an_aligners_grid():
    path = utterance("4088-158079-0014")[1]
    truth = read_textgrid(path)["phones"]
    found = phones_given(path, 12.44)
    assert len(found.words) > 20 and found.phones.end_s[-1] == 12.44
    borders = {round(t, 3) for t in truth.start_s}
    assert {round(t, 3) for t in found.phones.start_s} <= borders, "no border is moved"


@pytest.mark.parametrize("name", ["phones", "Phones", "Ann - phones", "MAU"])
def test_names_of_tiers(name, tmp_path):
    path = tmp_path / "a.TextGrid"
    words = intervals([("", 0.0, 0.2), ("my", 0.2, 0.9), ("<eps>", 0.9, 1.0)])
    beside = "ORT-MAU" if name == "MAU" else name.lower().replace("phones", "Words")
    write_textgrid({beside: words, name: intervals([("m", 0.2, 0.4), ("aj", 0.4, 0.9)])}, path, end_s=1.0)
    found = phones_given(path, 1.0)
    assert found.phones.names == ("SIL", "M", "AY", "SIL")
    np.testing.assert_allclose(found.phones.start_s, [0, 0.2, 0.4, 0.9])
    assert found.words.names == ("my",)


def test_gaps_and_silences_are_one(tmp_path):
    rows = [("SIL", 0.0, 0.1), ("sp", 0.15, 0.2), ("B", 0.2003, 0.4), ("AH0", 0.4, 0.4), ("AH1", 0.4, 1.06)]
    found = phones_given({"phones": intervals(rows)}, 1.0).phones
    assert found.names == ("SIL", "B", "AH")
    np.testing.assert_allclose(found.start_s, [0, 0.2, 0.4])
    np.testing.assert_allclose(found.end_s, [0.2, 0.4, 1.0])


ROWS = [("B", 0.2, 0.4), ("AH", 0.4, 0.8)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "phones is int; wanted a TextGrid"),
        (intervals(ROWS), "phones is Intervals; wanted .* tiers by name"),
        ({"words": intervals(ROWS)}, "has no tier called phones; it has words"),
        ({"A - phones": intervals(ROWS), "B - phones": intervals(ROWS)}, "several tiers of phones: A - phones, B"),
        ({"phones": intervals([("B", 0.2, 0.5), ("AH", 0.4, 0.8)])}, "'B' lasts from 0.200 to 0.500 s, which is"),
        ({"phones": intervals([("B", -0.2, 0.5)])}, "'B' lasts from -0.200"),
        ({"phones": intervals([("B", 0.5, 0.2)])}, "backwards"),
        ({"phones": intervals([("B", 0.5, np.nan)])}, "1 names and other times"),
        ({"phones": Intervals(("B", "AH"), np.zeros(1), np.ones(1))}, "2 names and other times"),
        ({"phones": intervals([("B", 0.5, 1.2)])}, r"phones until 1.20 s, and the recording lasts 1.00 s"),
        ({"phones": intervals(ROWS), "words": intervals([("a", 0.5, 0.6), ("b", 0.3, 0.4)])}, "'a' lasts from"),
    ],
)
def test_what_does_not_fit_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        phones_given(given, 1.0)


def test_a_text_beside_phones_is_refused(head, voice):
    with pytest.raises(InputError, match="leave out the text"):
        animate(voice[0], voice[1], head=head, text=voice[2], phones={"phones": intervals(ROWS)})


def test_a_grid_is_as_long_as_its_sound(spoken, tmp_path):
    few = spoken.replace(intervals={"phones": intervals([("M", -0.1, 0.2), ("AY", 0.2, 0.5)])})
    emberface.export(few, tmp_path / "few.TextGrid")
    tiers = read_textgrid(tmp_path / "few.TextGrid")
    assert list(tiers) == ["phones"] and tiers["phones"].names == ("M", "AY", "")
    np.testing.assert_allclose(tiers["phones"].start_s, [0, 0.2, 0.5])
    assert tiers["phones"].end_s[-1] == pytest.approx(len(spoken.audio) / spoken.audio_rate)


def test_a_track_without_phones_has_nothing_for_praat(spoken, tmp_path):
    with pytest.raises(InputError, match="has no phones to write to"):
        emberface.export(spoken.replace(intervals={}), tmp_path / "a.TextGrid")
    assert not list(tmp_path.iterdir())
