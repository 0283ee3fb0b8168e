"""Figures against tracks made by hand, whose lips are known."""

import dataclasses

import numpy as np
import pytest
import torch

from animate.labiodental import bite_of
from animate.metrics import lip_report
from animate.textgrid import intervals
from flame_tools.arkit import INDEX, from_params, to_params
from flame_tools.errors import InputError
from flame_tools.types import Curves, Track

PHONES = intervals(
    [
        ("sil", 0.0, 0.5), ("AA1", 0.5, 0.8), ("B", 0.8, 0.9), ("IY0", 0.9, 1.1), ("M", 1.1, 1.2), ("AE1", 1.2, 1.5),
        ("UW1", 1.5, 1.8), ("sp", 1.8, 2.0), ("", 2.0, 2.4), ("F", 2.4, 2.5), ("spn", 2.5, 3.0),
    ]
)  # fmt: skip


def track_of(head, opening, *, pucker=None, audio=None, emotion=None):
    """A track at 50 fps whose jawOpen is `opening(t)`."""
    times = np.arange(150) / 50
    weights = np.zeros((150, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = [opening(t) for t in times]
    if pucker is not None:
        weights[:, INDEX["mouthPucker"]] = [pucker(t) for t in times]
    params = to_params(torch.as_tensor(weights), head)
    params = params.replace(
        global_rotation=torch.zeros(150, 3), neck=torch.zeros(150, 3), translation=torch.zeros(150, 3)
    )
    return Track(
        head.arrays.id, params, times, audio=audio, audio_rate=16000 if audio is not None else 0,
        curves={} if emotion is None else {"emotion": Curves(tuple("abcdefgh"), np.tile(emotion, (150, 1)))},
    )  # fmt: skip


def spoken(t: float) -> float:
    """A mouth that does everything right."""
    if t < 0.5 or 0.82 <= t < 0.88 or 1.12 <= t < 1.18 or 1.8 <= t < 2.4:
        return 0.0
    return 0.25


def test_a_perfect_mouth(head):
    report = lip_report(track_of(head, spoken, pucker=lambda t: 0.8 * (1.5 <= t < 1.8)), head, PHONES)
    assert report.bilabial_closure == 1.0 and report.false_closure == 0.0 and report.false_closure_other == 0.0
    assert report.silence_rest == 1.0 and report.open_closed_auc == 1.0 and report.rounded_spread_auc == 1.0
    assert report.open_gap_mm > 5
    assert report.onset_misalignment_ms == pytest.approx(15, abs=12)
    assert report.counts["bilabial"] == 2 and report.counts["open_vowel"] == 2
    assert report.counts["silence"] == 2, "two silences that touch are one"
    assert report.segments_used == pytest.approx(7 / 8)  # spn is no known phone


def test_what_is_said_before_the_first_frame_or_after_the_last_does_not_count(head):
    """A part of a performance keeps its times: of the rest nobody knows where the lips were."""
    whole = track_of(head, spoken)
    for rows, seen in ((slice(53, None), 1), (slice(0, 50), 1)):  # from 1.06 s on the M alone, until 0.98 s the B
        part = dataclasses.replace(whole, params=whole.params.frame(rows), time_s=whole.time_s[rows])
        report = lip_report(part, head, PHONES)
        assert report.bilabial_closure == 1.0 and report.counts["bilabial"] == seen
        assert report.open_closed_auc == 1.0 and report.counts["open_vowel"] == 1


def test_a_lip_at_the_teeth_is_a_labiodental(head):
    track = track_of(head, lambda t: 0.1)
    said = intervals([("F", 1.0, 1.1), ("AA", 1.1, 2.0), ("V", 2.0, 2.1)])
    assert lip_report(track, head, said).labiodental_contact == 0.0
    weights = from_params(track.params, head).double().numpy()
    weights[50:53] = bite_of(head.bake(track.params.shape)).reached(weights[50:53])
    expression, jaw = (getattr(to_params(torch.as_tensor(weights).float(), head), of) for of in ("expression", "jaw"))
    bitten = dataclasses.replace(track, params=track.params.replace(expression=expression, jaw=jaw))
    report = lip_report(bitten, head, said)
    assert report.labiodental_contact == 0.5 and report.counts["labiodental"] == 2


def test_a_mouth_that_never_closes(head):
    report = lip_report(track_of(head, lambda t: 0.25), head, PHONES)
    assert report.bilabial_closure == 0.0 and report.silence_rest == 0.0 and report.open_closed_auc == 0.5


def test_a_mouth_that_never_opens(head):
    report = lip_report(track_of(head, lambda t: 0.0), head, PHONES)
    assert report.bilabial_closure == 1.0 and report.false_closure == 1.0 and report.false_closure_other == 1.0
    assert report.open_gap_mm < 1 and report.silence_rest == 1.0 and report.loudness_opening_r is None


def test_closures_count_only_near_their_segment(head):
    late = lip_report(track_of(head, lambda t: 0.0 if 0.95 <= t < 1.0 else 0.25), head, PHONES)
    assert late.bilabial_closure == 0.0
    within = lip_report(track_of(head, lambda t: 0.0 if 0.91 <= t < 0.935 else 0.25), head, PHONES)
    assert within.bilabial_closure == 0.5


def test_closing_at_a_vowels_edge_is_no_false_closure(head):
    edge = lip_report(track_of(head, lambda t: 0.0 if t < 0.57 or t >= 0.74 else 0.25), head, PHONES)
    assert edge.false_closure == 0.5  # AE is shut all along, AA only outside its middle half


def test_rest_is_the_emotions_rest(head):
    surprised = np.eye(8)[3]
    from animate.emotion import layer

    rest = float(layer(surprised)[INDEX["jawOpen"]])
    assert lip_report(track_of(head, lambda t: rest, emotion=surprised), head, PHONES).silence_rest == 1.0
    assert lip_report(track_of(head, lambda t: 0.0, emotion=surprised), head, PHONES).silence_rest == 0.0


def test_loudness_that_the_mouth_follows(head):
    t = np.arange(3 * 16000) / 16000
    level = 0.05 + 0.4 * (np.sin(2 * np.pi * t) > 0)
    sound = (level * np.sin(2 * np.pi * 200 * t)).astype(np.float32)
    with_it = lip_report(track_of(head, lambda t: 0.3 if np.sin(2 * np.pi * t) > 0 else 0.1, audio=sound), head, PHONES)
    against = lip_report(track_of(head, lambda t: 0.1 if np.sin(2 * np.pi * t) > 0 else 0.3, audio=sound), head, PHONES)
    assert with_it.loudness_opening_r > 0.8 and against.loudness_opening_r < -0.8


def test_nothing_to_measure(head):
    report = lip_report(track_of(head, spoken), head, intervals([("S", 0.0, 0.05)]))
    assert report.bilabial_closure is None and report.silence_rest is None and report.rounded_spread_auc is None
    with pytest.raises(InputError, match="holds no phones"):
        lip_report(track_of(head, spoken), head)


def test_it_says_when_phones_are_those_that_moved_the_face(head):
    track = track_of(head, spoken)
    late = dataclasses.replace(PHONES, start_s=PHONES.start_s + 0.05, end_s=PHONES.end_s + 0.05)
    assert not lip_report(track, head, PHONES).own_phones
    track = track.replace(intervals={"phones": PHONES})
    assert lip_report(track, head).own_phones
    rounded = dataclasses.replace(PHONES, start_s=PHONES.start_s + 0.0004)
    assert lip_report(track, head, rounded).own_phones, "a file that was rounded holds the same phones"
    assert not lip_report(track, head, late).own_phones
