import math
from threading import Event

import pytest

from flame_tools.live import Clock


class Hands:
    """Time that passes only where the test says so; waiting overshoots as a busy machine's does."""

    def __init__(self, overshoot_s: float = 0.0):
        self.now, self.overshoot_s = 100.0, overshoot_s

    def clock(self, period_s: float, **more) -> Clock:
        return Clock(period_s, now=lambda: self.now, wait=self.wait, **more)

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + self.overshoot_s


def test_what_one_frame_loses_no_later_one_inherits():
    hands = Hands(overshoot_s=0.004)
    clock = hands.clock(1 / 60)
    for i in range(6000):
        assert clock.turn(i / 60)
    pace = clock.pace()
    assert (pace.sent, pace.skipped) == (6000, 0)
    assert hands.now == pytest.approx(100 + 5999 / 60 + 0.004, abs=1e-6)  # 24 s would have been lost one by one
    assert pace.rate == pytest.approx(60, rel=1e-4)
    assert pace.jitter_p99_ms == pytest.approx(4, abs=0.01)


def test_frames_that_are_a_period_late_are_skipped_and_the_next_is_in_time():
    hands = Hands()
    clock = hands.clock(0.1)
    assert clock.turn(0.0)
    hands.now += 0.35  # something took long
    assert [clock.turn(t) for t in (0.1, 0.2, 0.3, 0.4)] == [False, False, True, True]
    assert hands.now == pytest.approx(100.4)
    pace = clock.pace()
    assert (pace.sent, pace.skipped, pace.restarts) == (3, 2, 0)
    assert pace.jitter_p99_ms == pytest.approx(50, abs=2)


@pytest.mark.parametrize("patience_s", [0.48, math.inf])
def test_frames_that_fall_behind_for_good_set_a_new_start_where_they_may(patience_s):
    hands = Hands()
    clock = hands.clock(0.05, delay_s=0.02, patience_s=patience_s)
    assert clock.turn(0.0)
    hands.now += 3.0  # a microphone that paused
    sent = []
    for i in range(1, 41):
        sent.append(clock.turn(i * 0.05))
        hands.now += 0.05  # each frame comes when it is heard
    pace = clock.pace()
    if patience_s == math.inf:
        assert not any(sent) and (pace.restarts, pace.skipped) == (0, 40)
    else:
        assert sent == [False] * 10 + [True] * 30
        assert (pace.restarts, pace.skipped) == (1, 10) and pace.jitter_p99_ms < 40


def test_the_first_frame_waits_for_the_delay():
    hands = Hands()
    clock = hands.clock(0.1, delay_s=0.25)
    assert clock.turn(7.0)
    assert hands.now == pytest.approx(100.25)
    assert clock.turn(7.1)
    assert hands.now == pytest.approx(100.35)


def test_a_stop_ends_the_waiting():
    stop = Event()
    stop.set()
    clock = Clock(1.0, delay_s=3600.0, stop=stop)
    assert not clock.turn(0.0)
    assert clock.pace().sent == 0 and clock.pace().rate == 0.0
