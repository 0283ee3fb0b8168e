"""What animate promises, on real readers with true phone times (benchmarks/animate_lips.py runs the same on more)."""

import pytest

from animate.audio_file import read_audio
from animate.metrics import lip_report
from animate.pipeline import animate
from animate.textgrid import read_textgrid
from benchmarks.animate_lips import SPEAKERS, pooled, utterances
from tests.animate.conftest import shared


@pytest.mark.parametrize(
    "with_text, count, least",
    [(True, 5, 0.97), pytest.param(True, 10, 0.97, marks=pytest.mark.long), (False, 4, 0.60)],
)
def test_lips_of_real_readers(head, with_text, count, least):
    shared("transcripts.tsv")
    reports = []
    for sound, grid, text in utterances(count, SPEAKERS):
        samples, rate = read_audio(sound)
        track = animate(samples, rate, head=head, text=text if with_text else None)
        reports.append(lip_report(track, head, read_textgrid(grid)["phones"]))
    figures = pooled(reports)
    assert figures["segments_used"] >= 0.9
    assert figures["bilabial_closure"] >= least
    assert figures["false_closure"] <= 0.02 and figures["false_closure_other"] <= 0.10
    assert figures["open_gap_mm"] >= 4 and figures["silence_rest"] >= 0.95
    assert figures["open_closed_auc"] > 0.95 and figures["rounded_spread_auc"] > 0.9
