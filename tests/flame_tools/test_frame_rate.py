from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_tools import FormatError, InputError
from flame_tools.frame_rate import even_rate, frames_between, on_grid, rational

RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(60), Fraction(30000, 1001), Fraction(60000, 1001)]


@pytest.mark.parametrize(
    ("said", "meant"),
    [(30, (30, 1)), (29.97, (30000, 1001)), (23.976, (24000, 1001)), (59.94, (60000, 1001)),
     ((30000, 1001), (30000, 1001)),
     (12.5, (25, 2)), (60000 / 1001, (60000, 1001))],
)  # fmt: skip
def test_a_rate_is_what_people_mean_by_it(said, meant):
    assert rational(said) == Fraction(*meant)


@pytest.mark.parametrize("said", [0, -1, float("nan"), float("inf"), (1, 0), 1e9, "x"])
def test_no_rate(said):
    with pytest.raises(InputError, match="fps"):
        rational(said)


@given(st.sampled_from(RATES), st.integers(2, 3000), st.floats(0, 100), st.integers(0, 2**31))
def test_the_rate_of_even_frames_is_found_again(rate, frames, start, seed):
    times = on_grid(start, frames, rate) + np.random.default_rng(seed).uniform(-2e-6, 2e-6, frames)
    found = even_rate(times, slack_s=1e-5)
    assert np.abs(on_grid(times[0], frames, found) - times).max() <= 1e-5
    if frames > 20:  # 24 and 24000/1001 differ by less over a few frames
        assert found == rate


def test_uneven_frames_have_no_rate():
    assert even_rate(np.array([0, 1, 2, 4]) / 30, slack_s=1e-4) is None
    assert even_rate(np.array([1.0]), slack_s=1e-4) is None


def test_too_many_frames_are_refused():
    assert len(frames_between(0.0, 2.0, Fraction(30), "x")) == 61
    with pytest.raises(FormatError, match="x lasts"):
        frames_between(0.0, 1e30, Fraction(30), "x")
