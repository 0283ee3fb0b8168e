import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate import coarticulation
from animate.coarticulation import articulate, grid, least_jerk, rest_envelope, sample
from animate.speech import Prosody
from animate.textgrid import intervals
from animate.visemes import CHANNELS, VISEMES, plain

CHANNEL = {name: i for i, name in enumerate(CHANNELS)}


def flat_prosody(seconds: float) -> Prosody:
    n = int(seconds * 100) + 1
    return Prosody(np.full(n, -3.0, np.float32), np.full(n, 120.0), np.ones(n, np.float32), -50.0)


def said(phones: str, each_s: float = 0.1, lead_s: float = 0.4):
    names = ["SIL", *phones.split(), "SIL"]
    ends = lead_s + each_s * np.arange(len(names) - 1)
    edges = np.r_[0.0, ends, ends[-1] + lead_s]
    return intervals(zip(names, edges[:-1], edges[1:], strict=True)), float(edges[-1])


def paths_of(phones: str, each_s: float = 0.1):
    tier, seconds = said(phones, each_s)
    return articulate(tier, flat_prosody(seconds), seconds), tier


def at(paths, tier, index, channel):
    middle = (tier.start_s[index] + tier.end_s[index]) / 2
    return sample(paths, np.array([middle]))[0, CHANNEL[channel]]


def test_least_jerk_keeps_a_constant_and_a_parabola():
    # The third difference of a parabola is 0: it costs no jerk.
    t = np.arange(200) / 100
    for path in (np.full(200, 0.4), 0.1 + t - 0.3 * t * t):
        np.testing.assert_allclose(least_jerk(path, np.full(200, 50.0), 4.0), path, atol=0.01)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.5, 8.0))
def test_least_jerk_is_the_minimum(seed, inertia):
    random = np.random.default_rng(seed)
    target, weight = random.random(60), random.random(60)

    def cost(x):
        return (weight * (x - target) ** 2).sum() + 0.01 * (x**2).sum() + inertia**6 * (np.diff(x, 3) ** 2).sum()

    best = least_jerk(target, weight, inertia)
    for _ in range(5):
        assert cost(best) <= cost(best + random.normal(0, 1e-3, 60)) + 1e-12


def test_long_recordings_are_solved_in_blocks_without_seams(monkeypatch):
    random = np.random.default_rng(0)
    target, weight = np.repeat(random.random(300), 10), np.repeat(random.random(300), 10)
    whole = least_jerk(target, weight, 4.0)
    monkeypatch.setattr(coarticulation, "_BLOCK", 500)
    np.testing.assert_allclose(least_jerk(target, weight, 4.0), whole, atol=1e-6)


def test_rounding_is_anticipated():
    paths, tier = paths_of("T UW")
    other, _ = paths_of("T IY")
    assert at(paths, tier, 1, "pucker") > 0.3 > 0.1 > at(other, tier, 1, "pucker")


def test_fast_speech_undershoots():
    slow, tier_slow = paths_of("S AA S", 0.2)
    fast, tier_fast = paths_of("S AA S", 0.05)
    assert at(fast, tier_fast, 2, "jaw") < 0.75 * at(slow, tier_slow, 2, "jaw")


def test_loud_vowels_open_wider():
    tier, seconds = said("T AA T", 0.15)
    quiet = flat_prosody(seconds)
    quiet.loudness_db[:] = -18
    loud = articulate(tier, flat_prosody(seconds), seconds)
    assert at(loud, tier, 2, "jaw") > 1.25 * at(articulate(tier, quiet, seconds), tier, 2, "jaw")


def test_silence_is_still():
    paths, tier = paths_of("AA B AE")
    times = grid(tier.end_s[-1])
    silent = (times < tier.start_s[1] - 0.04) | (times > tier.end_s[-2] + 0.03)
    lips = [CHANNEL[name] for name in ("jaw", "funnel", "upper", "lower")]
    assert np.abs(paths[silent][:, lips]).max() < 0.01
    eased = (times < tier.start_s[1] - 0.04) | (times > tier.end_s[-2] + 0.23)
    assert np.abs(paths[eased][:, [CHANNEL["pucker"], CHANNEL["spread"]]]).max() < 0.01
    assert rest_envelope(tier, times)[len(times) // 2] == 1.0


@pytest.mark.parametrize("said, channel", [("S UW", "pucker"), ("G OW", "pucker"), ("L IY", "spread")])
def test_round_and_spread_lips_relax_slowly_into_silence(said, channel):
    paths, tier = paths_of(said, 0.15)
    path = paths[:, CHANNEL[channel]]
    assert path.max() > 0.3
    frame = round(1 / 30 / coarticulation.STEP_S)
    # 0.29 of the height a frame is the fastest seen; the prompt release of the jaw takes 0.55.
    assert (path[:-frame] - path[frame:]).max() < 0.32 * path.max()
    assert path[grid(tier.end_s[-1]) > tier.start_s[-1] + 0.25].max() < 0.01


def test_paths_are_smooth():
    paths, _ = paths_of("M AA R IY AH S M AY B OY Y UW AA R AH B AE R AH N", 0.08)
    # Jaw: 0.3 is 11 mm, so that 10 per second squared is 0.37 m/s^2; people reach 5 m/s^2 (Nelson 1983).
    acceleration = np.diff(paths[:, CHANNEL["jaw"]], 2) / coarticulation.STEP_S**2
    assert np.abs(acceleration).max() < 130


def test_every_phone_has_a_posture():
    arpabet = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
    assert set(arpabet.split()) <= set(VISEMES)
    for postures in VISEMES.values():
        for posture in postures:
            assert set(posture.values) <= set(CHANNELS)
            assert all(0 <= target <= 1 and weight >= 0 for target, weight in posture.values.values())


@pytest.mark.parametrize("name, wanted", [("AH0", "AH"), ("sil", "SIL"), ("", "SIL"), ("sp", "SIL"), ("spn", "SPN")])
def test_names_of_phones(name, wanted):
    assert plain(name) == wanted
