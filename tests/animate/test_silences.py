"""Where nobody speaks, by phones."""

import numpy as np

from animate.phones import find_phones
from animate.silences import silences
from animate.speech import measure, prepare
from animate.textgrid import intervals


def test_silences_that_touch_are_one_and_short_ones_are_none():
    phones = intervals(
        [("SIL", 0.0, 0.1), ("sp", 0.1, 0.2), ("AA1", 0.2, 0.5), ("SIL", 0.5, 0.6), ("B", 0.6, 0.7), ("", 0.7, 1.0)]
    )
    assert silences(phones) == [(0.0, 0.2), (0.7, 1.0)]
    assert silences(phones, shortest_s=0.25) == [(0.7, 1.0)]
    assert silences(intervals([])) == []


def test_noise_hides_no_pause(voice):
    samples, rate, _ = voice
    noise = np.random.default_rng(0).normal(size=len(samples)) * np.sqrt(np.mean(np.square(samples))) / 4
    found = []
    for sound in (samples, (samples + noise).astype(np.float32)):
        speech = prepare(sound, rate)
        found.append(silences(find_phones(speech, measure(speech)).phones))
    clear, noisy = (np.array(some) for some in found)
    assert len(clear) >= 2 and clear.shape == noisy.shape
    np.testing.assert_allclose(noisy, clear, atol=0.12)
