import numpy as np
import pytest

from animate import chance
from animate.eyes import gaze, plan_blinks
from animate.speech import RATE, prepare
from tests.animate.test_speech import voiced


def test_streams_differ_and_repeat():
    first = {stream: chance.generator(3, stream).random() for stream in chance.STREAMS}
    assert len(set(first.values())) == len(chance.STREAMS)
    assert first == {stream: chance.generator(3, stream).random() for stream in chance.STREAMS}


def test_two_recordings_move_differently_under_one_seed():
    seeds = [chance.of_recording(0, voiced(pitch, 2.0)) for pitch in (120.0, 121.0)]
    starts = [[blink.start_s for blink in plan_blinks(60.0, np.zeros(0), seed=seed)] for seed in seeds]
    assert min(abs(a - b) for a in starts[0] for b in starts[1]) > 1e-6
    times = np.arange(0, 60, 1 / 30)
    looks = [gaze(times, [], seed=seed) for seed in seeds]
    assert abs(np.corrcoef(looks[0][:, 1], looks[1][:, 1])[0, 1]) < 0.6
    assert chance.of_recording(0, voiced(120.0, 2.0)) == seeds[0]
    assert chance.of_recording(1, voiced(120.0, 2.0)) != seeds[0]


def test_one_recording_as_whole_numbers_and_as_floats_moves_alike():
    samples = np.round(voiced(120.0, 1.0) * 32767).astype(np.int16)
    whole, real = prepare(samples, RATE).samples, prepare(samples.astype(np.float32) / 32768, RATE).samples
    assert chance.of_recording(0, whole) == chance.of_recording(0, real)


def test_a_recording_is_known_by_all_of_it_in_blocks_of_any_size(monkeypatch):
    samples = voiced(120.0, 1.0)
    whole = chance.of_recording(3, samples)
    monkeypatch.setattr(chance, "_BLOCK", 999)
    assert chance.of_recording(3, samples) == whole
    assert chance.of_recording(3, samples[:-1]) != whole


@pytest.mark.parametrize("seed", [0, 7, np.int64(7), 2**64 - 1])
def test_seeds_that_serve(seed):
    assert chance.checked(seed) == seed and type(chance.checked(seed)) is int
