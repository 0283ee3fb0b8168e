from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools import FormatError, InputError
from flame_tools.imports.timecode import read_clock


def non_drop(frame: int, counts: int, part: int = 0) -> str:
    seconds, rest = divmod(frame, counts)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}:{rest:02d}.{part:03d}"


def drop_labels(counts: int, minutes: int):
    """Drop-frame labels one after the other, by counting: the first two (or four) numbers of a minute are skipped."""
    drops = counts // 15
    for minute in range(minutes):
        for second in range(60):
            for frame in range(counts):
                if not (second == 0 and frame < drops and minute % 10):
                    yield f"{minute // 60:02d}:{minute % 60:02d}:{second:02d}:{frame:02d}"


@pytest.mark.parametrize("counts", [30, 60])
@pytest.mark.parametrize("semicolon", [True, False])
def test_drop_frame_counts_every_frame_of_ntsc_once(counts, semicolon):
    codes = list(drop_labels(counts, 12))
    if semicolon:
        codes = [f"{code[:8]};{code[9:]}" for code in codes]
    clock = read_clock(codes)
    assert clock.rate == Fraction(1000 * counts, 1001)
    np.testing.assert_allclose(clock.seconds, np.arange(len(codes)) * 1001 / (1000 * counts), atol=1e-9)


@settings(max_examples=60)
@given(
    st.sampled_from([24, 25, 30, 48, 50, 60]),
    st.integers(0, 23 * 3600 * 60),
    st.integers(140, 400),
    st.integers(0, 999),
)
def test_the_rate_shows_where_seconds_end(counts, first, frames, part):
    clock = read_clock([non_drop(first + i, counts, part) for i in range(frames)])
    assert (clock.counts, clock.rate, clock.assumed) == (counts, counts, False)
    np.testing.assert_allclose(np.diff(clock.seconds), 1 / counts, atol=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from([24, 30, 60]))
def test_frames_that_are_missing_do_not_change_it(seed, counts):
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(6 * counts) > 0.1)
    clock = read_clock([non_drop(1000 + int(i), counts) for i in kept])
    assert clock.counts == counts
    np.testing.assert_allclose(clock.seconds - clock.seconds[0], (kept - kept[0]) / counts, atol=1e-9)


def test_midnight():
    clock = read_clock(["23:59:59:28", "23:59:59:29", "00:00:00:00", "00:00:00:01"], rate=Fraction(30))
    np.testing.assert_allclose(np.diff(clock.seconds), 1 / 30)


def test_a_clip_that_ends_before_a_second_says_no_rate():
    clock = read_clock(["00:00:01:03.500", "00:00:01:04.500"])
    assert clock.assumed and clock.counts == 60
    clock = read_clock(["00:00:01:03.500", "00:00:01:04.500"], rate=Fraction(30))
    assert not clock.assumed and np.diff(clock.seconds) == pytest.approx(1 / 30)


def test_every_frame_of_a_fractional_rate_has_a_number():
    codes = [non_drop(i, 30) for i in range(90)]
    assert read_clock(codes, rate=Fraction(30000, 1001)).seconds[-1] == pytest.approx(89 * 1001 / 30000)
    assert read_clock(codes).seconds[-1] == pytest.approx(89 / 30)


def test_seconds_with_parts():
    clock = read_clock(["00:01:02.500", "00:01:02,533"])
    np.testing.assert_allclose(clock.seconds, [62.5, 62.533])
    assert not clock.assumed


@pytest.mark.parametrize("code", ["", "12", "1:2:3", "00:00:00:00:00", "-1:00:00:00", "00:00:00:nan", "a" * 5000])
def test_no_timecode(code):
    with pytest.raises(FormatError, match="timecode 2 is"):
        read_clock(["00:00:00:00", code])


def test_a_rate_that_does_not_fit():
    with pytest.raises(InputError, match="more than the rate 24"):
        read_clock(["00:00:00:29"], rate=Fraction(24))
