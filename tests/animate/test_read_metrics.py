"""What judges read becomes figures: names, ranks, accuracy, and what emotion does to what is read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.emotion import EMOTIONS
from animate.encoder.corpus import PHONES
from animate.read_metrics import accuracy_of, emotion_reading, intensity_rank, leakage, said_at_times
from animate.textgrid import intervals
from flame_tools.errors import InputError
from readers.judges import EmotionJudgement, LipJudgement

TIER = intervals([("sil", 0.1, 0.3), ("M", 0.3, 0.4), ("AY1", 0.4, 0.6), ("spn", 0.6, 0.7), ("P", 0.8, 0.9)])


def face(**shares) -> EmotionJudgement:
    values = np.array([shares.get(name, 0.0) for name in EMOTIONS])
    return EmotionJudgement(EMOTIONS, values / 2, values / values.sum())


def mouth(said: list[str], sure: float = 0.9, start_s: float = 0.0) -> LipJudgement:
    """A mouth read to say a phone a frame, with some doubt."""
    p = np.full((len(said), len(PHONES)), (1 - sure) / (len(PHONES) - 1))
    p[np.arange(len(said)), [PHONES.index(name) for name in said]] = sure
    return LipJudgement(PHONES, start_s + np.arange(len(said)) / 30, np.log(p))


def test_what_is_read_against_what_was_said():
    judged = face(happy=0.5, surprise=0.3, contempt=0.2)
    plain = emotion_reading(judged)
    assert plain.named == "happy" and plain.top_two == ("happy", "surprise") and plain.named_right is None
    mixed = emotion_reading(judged, "surprise:0.7,joy:0.4")
    assert mixed.asked == "surprise" and not mixed.named_right and mixed.in_top_two
    assert mixed.intensity_asked == 0.7 and mixed.intensity_read == pytest.approx(0.15)
    assert not emotion_reading(judged, "happy:0.6,contempt:0.5").in_top_two
    assert emotion_reading(judged, "happy:0.6").named_right
    calm = emotion_reading(face(neutral=0.9, sad=0.1), np.zeros(8))
    assert calm.asked == "neutral" and calm.named_right
    with pytest.raises(InputError, match="wanted one emotion for the whole track"):
        emotion_reading(judged, np.zeros((4, 8)))


def test_ranks():
    assert intensity_rank([0.3, 0.7, 1.0], [0.1, 0.2, 0.9]) == 1.0
    assert intensity_rank([0.3, 0.7, 1.0], [0.9, 0.2, 0.1]) == -1.0
    assert intensity_rank([0.3, 0.7, 1.0], [0.5, 0.5, 0.5]) is None


def test_the_truth_at_a_moment():
    times = np.array([0.0, 0.1, 0.299, 0.3, 0.45, 0.65, 0.75, 0.85, 0.9])
    names = ["?" if i < 0 else PHONES[i] for i in said_at_times(TIER, times, PHONES)]
    assert names == ["?", "SIL", "SIL", "M", "AY", "?", "?", "P", "?"]
    assert (said_at_times(intervals([]), times, PHONES) == -1).all()


def test_accuracy_counts_known_frames_and_what_looks_alike():
    tier = intervals([("M", 0.0, 0.2), ("AA", 0.2, 0.4)])  # six frames each
    found = accuracy_of(mouth(["M"] * 3 + ["P"] * 3 + ["AA"] * 3 + ["S"] * 3 + ["K"] * 5), tier)
    assert (found.phones, found.visemes, found.frames) == (0.5, 0.75, 12)
    assert accuracy_of(mouth(["M"]), None).phones is None
    assert accuracy_of(mouth(["M"]), intervals([("P", 5.0, 6.0)])).visemes is None


def test_a_face_that_reads_the_same_leaks_nothing():
    said = ["M", "AA", "AA", "S", "SIL"] * 6
    same = leakage(mouth(said), mouth(said))
    assert same.phones_changed == same.visemes_changed == 0.0 and same.frames == 30
    assert same.phone_divergence_bits == pytest.approx(0, abs=1e-12) and same.phone_accuracy is None


def test_leakage_is_what_changes():
    calm = ["M"] * 15 + ["AA"] * 15
    tier = intervals([("M", 0.0, 0.5), ("AA", 0.5, 1.0)])
    moved = ["B"] * 15 + ["AA"] * 9 + ["S"] * 6
    found = leakage(mouth(calm, 1 - 1e-9), mouth(moved, 1 - 1e-9), neutral_phones=tier, other_phones=tier)
    assert (found.phones_changed, found.visemes_changed) == (0.7, 0.2)
    assert found.phone_divergence_bits == pytest.approx(0.7, abs=1e-6)  # a bit where certainties differ
    assert found.viseme_divergence_bits == pytest.approx(0.2, abs=1e-6)
    assert found.phone_accuracy == pytest.approx(0.3) and found.phone_accuracy_fall == pytest.approx(0.7)
    assert found.viseme_accuracy == pytest.approx(0.8) and found.viseme_accuracy_fall == pytest.approx(0.2)


def test_tracks_that_start_elsewhere_are_held_at_the_same_moments():
    said = ["M", "AA", "S", "SIL", "P", "AA", "K", "IY"]
    later = mouth(said[3:], start_s=0.1)
    found = leakage(mouth(said), later)
    assert found.phones_changed == 0.0 and found.frames == 5
    assert leakage(later, mouth(said)).frames == 5
    with pytest.raises(InputError, match=r"no moment in common: one lasts from 0\.00 to 0\.23 s, the other from 9\.00"):
        leakage(mouth(said), mouth(said, start_s=9.0))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PHONES), st.sampled_from(PHONES)), min_size=1, max_size=20), st.floats(0.3, 0.99)
)
def test_visemes_leak_no_more_than_phones_and_neither_side_counts_more(pairs, sure):
    one, other = (mouth([pair[i] for pair in pairs], sure) for i in (0, 1))
    found, back = leakage(one, other), leakage(other, one)
    assert 0 <= found.viseme_divergence_bits <= found.phone_divergence_bits + 1e-9 <= 1 + 1e-9  # data processing
    assert found.phone_divergence_bits == pytest.approx(back.phone_divergence_bits, abs=1e-12)
    assert found.visemes_changed <= found.phones_changed
