import numpy as np
import pytest

from animate.emphasis import Accents, bumps, find_accents
from animate.eyes import Blink, brows, gaze, lid_closure, plan_blinks
from animate.headmotion import neck
from animate.speech import RATE, measure, prepare
from tests.animate.test_speech import voiced


@pytest.mark.parametrize("seed", range(5))
def test_blinks_come_as_often_as_peoples(seed):
    ends = np.arange(2.0, 600.0, 2.7)
    blinks = plan_blinks(600.0, ends, seed=seed)
    assert 15 <= len(blinks) / 10 <= 22  # per minute
    starts = np.array([b.start_s for b in blinks])
    gaps = np.diff(starts)
    assert gaps.max() <= 7.0, "a stare"
    assert gaps.min() > 0.7 and gaps.std() / gaps.mean() > 0.25, "a metronome blinks"
    near = np.abs(starts[:, None] - ends).min(1) < 1e-9
    assert near.mean() > 0.25, "phrase ends draw no blinks"
    assert 0.02 < np.mean([b.depth < 1 for b in blinks]) < 0.3
    assert plan_blinks(600.0, ends, seed=seed) == blinks != plan_blinks(600.0, ends, seed=seed + 1)


def test_blinks_keep_pace_with_what_is_felt():
    counts = [len(plan_blinks(600.0, np.zeros(0), pace=lambda at, pace=pace: pace)) for pace in (0.5, 1.0, 2.0)]
    assert counts[0] < 0.6 * counts[1] and counts[2] > 1.6 * counts[1]


def test_the_only_blink_of_a_short_clip_is_a_full_one():
    clips = [plan_blinks(3.0, np.zeros(0), seed=seed) for seed in range(100)]
    alone = [blinks[0].depth for blinks in clips if len(blinks) == 1]
    assert len(alone) > 30 and set(alone) == {1.0}
    assert any(blink.depth < 1 for blinks in clips if len(blinks) > 1 for blink in blinks)


@pytest.mark.parametrize("fps", [25, 30, 60, 240])
def test_a_blink_shuts_and_closes_faster_than_it_opens(fps):
    times = np.arange(2 * fps) / fps
    curve = lid_closure((Blink(0.511, 1.0),), times)
    assert curve.max() == pytest.approx(1.0)
    first, last = times[curve > 0.05][[0, -1]]
    top = times[curve > 0.95].mean()
    assert 0.2 <= last - first <= 0.40
    assert top - first < last - top
    assert curve[times < 0.5].max() == 0 == curve[times > 1.0].max()


def test_gaze_is_mostly_at_the_camera_and_jumps_like_eyes():
    times = np.arange(0, 120, 1 / 240)
    look = np.degrees(gaze(times, [(10.0, 11.0)], seed=1))
    assert (np.hypot(*look.T) < 2.5).mean() > 0.6
    assert np.abs(look).max() <= 12
    speed = np.hypot(*np.diff(look, axis=0).T) * 240
    assert 20 < speed.max() < 700  # degrees a second: the main sequence saturates near 700
    assert (speed > 1).mean() < 0.12, "eyes that never rest"


def test_gaze_turns_away_less_when_asked_to():
    times = np.arange(0, 120, 1 / 60)
    usual = np.degrees(gaze(times, [], seed=1))
    staring = np.degrees(gaze(times, [], away=lambda at: 0.0, seed=1))
    assert np.abs(staring).max() < 3 < np.abs(usual).max()


def test_brows_rise_on_accents_only():
    accents = Accents(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    flash = max((brows(np.arange(0, 5, 0.02), accents, seed=s) for s in range(6)), key=np.sum)
    times = np.arange(0, 5, 0.02)
    assert flash.max() > 0.4
    assert flash[(times > 1.4) & (times < 2.7)].max() == 0


def test_bumps():
    times = np.arange(0, 2, 0.01)
    curve = bumps(times, np.array([1.0]), np.array([0.7]), 0.2, 0.4)
    assert curve[100] == pytest.approx(0.7) and times[curve.argmax()] == 1.0
    assert curve[times < 0.8].max() == 0 == curve[times > 1.4].max()


def swelling() -> np.ndarray:
    """Four seconds of voice with two syllables that are louder and higher than the rest."""
    t = np.arange(4 * RATE) / RATE
    accent = np.exp(-(((t - 1.0) / 0.1) ** 2)) + np.exp(-(((t - 3.0) / 0.1) ** 2))
    return voiced(120 * 2 ** (accent * 5 / 12), 4.0) * (0.15 + 0.85 * accent).astype(np.float32)


def test_accents_are_where_the_voice_leans():
    accents = find_accents(measure(prepare(swelling(), RATE)))
    np.testing.assert_allclose(accents.time_s, [1.0, 3.0], atol=0.08)
    assert accents.strength.min() > 0.2


def test_the_head_moves_a_little_smoothly_and_by_seed():
    prosody = measure(prepare(swelling(), RATE))
    times, accents = np.arange(0, 4, 1 / 60), find_accents(prosody)
    turn = np.degrees(neck(times, prosody, accents, seed=2))
    assert turn.shape == (240, 3)
    assert np.ptp(turn[:, 0]) > 0.3 and np.abs(turn).max() < 9
    assert np.abs(np.diff(turn, axis=0)).max() * 60 < 60  # degrees a second
    assert np.abs(np.diff(turn, 2, axis=0)).max() * 3600 < 900  # degrees a second squared
    np.testing.assert_array_equal(turn, np.degrees(neck(times, prosody, accents, seed=2)))
    assert np.abs(turn - np.degrees(neck(times, prosody, accents, seed=3))).max() > 0.1
