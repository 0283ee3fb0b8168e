import dataclasses

import numpy as np
import pytest

from animate.bearing import CARRIAGES, bearing_of
from animate.emotion import EMOTIONS, parse

TIMES = np.arange(0, 10, 1 / 30)


def test_nothing_felt_changes_nothing():
    found = bearing_of(np.zeros(8), TIMES)
    assert not found.posture.any() and not found.look.any()
    for factor in (found.moves, found.away, found.blinks):
        np.testing.assert_array_equal(factor, 1.0)


@pytest.mark.parametrize("emotion", EMOTIONS[1:])
def test_a_feeling_in_full_is_carried_as_the_table_says(emotion):
    carriage, found = CARRIAGES[emotion], bearing_of(parse(emotion), TIMES)
    degrees = np.degrees(found.posture[0])
    assert degrees[0] == pytest.approx(carriage.down_deg)
    assert np.abs(degrees[1:]) == pytest.approx([carriage.turn_deg, carriage.tilt_deg])
    assert found.moves[0] == pytest.approx(carriage.moves) and found.blinks[0] == pytest.approx(carriage.blinks)
    assert np.degrees(found.look[0]) == pytest.approx([carriage.gaze_down_deg, 0.0])
    half = bearing_of(parse(f"{emotion}:0.5"), TIMES)
    np.testing.assert_allclose(half.posture, 0.5 * found.posture)


def test_sides_follow_the_seed_and_heads_move_slowly():
    sides = {np.sign(bearing_of(parse("disgust"), TIMES, seed=seed).posture[0, 1]) for seed in range(12)}
    assert sides == {-1.0, 1.0}
    felt = np.zeros((len(TIMES), 8))
    felt[len(TIMES) // 2 :, EMOTIONS.index("sad")] = 1.0
    down = np.degrees(bearing_of(felt, TIMES).posture[:, 0])
    assert down[0] == 0 and down[-1] == pytest.approx(6.5) and np.abs(np.diff(down)).max() * 30 < 12


def test_no_mix_stops_the_eyes_or_the_head():
    found = bearing_of(np.ones(8), TIMES)
    assert all((values > 0).all() for values in (found.moves, found.away, found.blinks))
    assert all(isinstance(value, float) for value in dataclasses.asdict(CARRIAGES["sad"]).values())
