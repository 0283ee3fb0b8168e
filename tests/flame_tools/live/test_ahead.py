import threading
import time

import pytest

from flame_tools.live.ahead import ahead


def test_frames_come_in_order_and_were_made_meanwhile(face):
    made = []

    def frames():
        for i in range(20):
            made.append(i)
            yield float(i), face

    coming = ahead(frames())
    assert next(coming)[0] == 0.0
    deadline = time.monotonic() + 5
    while len(made) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) == 20  # while nobody asked for them
    assert [time_s for time_s, _ in coming] == [float(i) for i in range(1, 20)]


def test_what_goes_wrong_is_raised_after_what_went_well(face):
    def frames():
        yield 0.0, face
        raise ValueError("the microphone burnt down")

    coming = ahead(frames())
    assert next(coming)[0] == 0.0
    with pytest.raises(ValueError, match="burnt down"):
        next(coming)


def test_leaving_ends_the_thread_and_closes_the_frames(face):
    closed = threading.Event()

    def frames():
        try:
            while True:
                yield 0.0, face
        finally:
            closed.set()

    coming = ahead(frames())
    next(coming)
    coming.close()
    assert closed.wait(5)


def test_leaving_waits_for_the_frame_that_is_being_made(face):
    """An interpreter that ends meanwhile would abort."""
    made = threading.Event()

    def frames():
        yield 0.0, face
        time.sleep(0.3)
        made.set()
        yield 1.0, face

    coming = ahead(frames())
    next(coming)
    coming.close()
    assert made.is_set()
