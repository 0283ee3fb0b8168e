"""Paths through posteriors, and the lip figures of phones."""

import numpy as np
import pytest

from animate.encoder.corpus import PHONE_INDEX, PHONES
from animate.encoder.decode import best_path, bigram, phones_of
from animate.encoder.evaluate import Lips
from animate.textgrid import intervals
from tests.animate.encoder.test_data import bursts

AA, SIL, M = (PHONE_INDEX[name] for name in ("AA", "SIL", "M"))


def posteriors(path, sure=0.9):
    out = np.full((len(path), len(PHONES)), (1 - sure) / (len(PHONES) - 1), np.float32)
    out[np.arange(len(path)), path] = sure
    return np.log(out)


def test_a_single_doubtful_frame_does_not_break_a_phone():
    path = np.array([SIL] * 10 + [AA] * 10 + [SIL] * 10)
    scores = posteriors(path)
    scores[15] = np.log(1e-3)
    scores[15, M], scores[15, AA] = np.log(0.5), np.log(0.4)
    assert scores[15].argmax() == M
    changes = bigram([bursts()])
    np.testing.assert_array_equal(best_path(scores, changes), path)
    assert best_path(scores, changes, weight=0.0)[15] == M


def test_the_path_is_the_likeliest_of_all():
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet(np.ones(3), 6)).astype(np.float32)
    changes = np.log(rng.dirichlet(np.ones(3), 3)).astype(np.float32)
    grid = np.stack(np.meshgrid(*[range(3)] * 6, indexing="ij"), -1).reshape(-1, 6)
    total = scores[np.arange(6), grid].sum(1) + 0.5 * changes[grid[:, :-1], grid[:, 1:]].sum(1)
    np.testing.assert_array_equal(best_path(scores, changes), grid[total.argmax()])


@pytest.mark.parametrize("odds, border", [((2.0, -2.0), 0.03), ((3.0, -1.0), 0.035), ((1.0, -3.0), 0.025)])
def test_borders_lie_where_the_odds_are_even(odds, border):
    path = np.array([SIL, SIL, AA, AA, AA])
    scores = posteriors(path)
    scores[1:3, SIL] = scores[1:3, AA] + odds
    found = phones_of(path, scores, 0.095)
    assert found.names == ("SIL", "AA")
    assert found.start_s.tolist() == [0.0, pytest.approx(border)]
    assert found.end_s.tolist() == [pytest.approx(border), 0.095]


def test_borders_of_a_path_against_all_odds_are_in_order():
    path = np.array([AA, SIL, AA, M])
    found = phones_of(path, np.full((4, len(PHONES)), -np.log(len(PHONES))), 0.055)
    assert found.names == ("AA", "SIL", "AA", "M")
    np.testing.assert_allclose(found.start_s, [0.0, 0.01, 0.03, 0.05])
    assert found.end_s[-1] == 0.055


def test_lips_are_judged_as_the_design_says():
    true = intervals(
        [("SIL", 0, 1), ("M", 1, 1.1), ("AA1", 1.1, 1.3), ("T", 1.3, 1.4), ("B", 1.4, 1.5), ("IY", 1.5, 1.7)]
    )
    found = intervals([("AA", 0, 0.9), ("P", 0.9, 0.97), ("AA", 0.97, 1.19), ("M", 1.19, 1.22), ("IY", 1.22, 1.7)])
    lips = Lips()
    lips.add(true, found)
    # P ends 30 ms before M begins: found. M inside the vowel: false. B: missed. T and IY are clean.
    assert (lips.closure, lips.false_open, lips.false_other) == ((1, 2), (1, 1), (1, 3))
