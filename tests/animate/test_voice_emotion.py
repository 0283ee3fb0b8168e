"""What prosody says: directions that are known because we made the voice so, and nothing on calm reading."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from animate import voice_features as features_module
from animate.affect import AFFECT, PLACES, HeardEmotion, affect_of, emotions_of
from animate.audio_file import read_audio
from animate.emotion import EMOTIONS
from animate.speech import RATE, measure, prepare
from animate.voice_emotion import AROUSAL, DIRECTIONS, NORMS, RECOGNISED, _unit, deviations, hear, read
from animate.voice_features import FEATURES, voice_features
from tests.animate.conftest import shared


def heard(samples, rate=RATE):
    speech = prepare(samples, rate)
    return hear(speech, measure(speech))


def features_of(samples):
    speech = prepare(samples.astype(np.float32), RATE)
    return voice_features(speech, measure(speech))


def buzz(f0_hz, seconds=3.0, harmonics=20, slope_db=-6.0):
    """A voice-like tone [N] whose pitch follows f0_hz (a number, or an array a sample); slope in dB an octave."""
    f0 = np.broadcast_to(f0_hz, round(seconds * RATE))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    parts = [np.sin(k * phase) * 10 ** (slope_db * np.log2(k) / 20) for k in range(1, harmonics + 1)]
    return 0.1 * sum(parts)


def stirred(samples, rate):
    """The voice said twice: as it is; then faster and higher by a fifth of an octave or so, louder and brighter."""
    import librosa
    from scipy.signal import lfilter

    calm = librosa.resample(samples, orig_sr=rate, target_sr=RATE)
    excited = librosa.resample(calm, orig_sr=1.25 * RATE, target_sr=RATE)
    excited = lfilter([1.0, -0.6], [1.0], excited).astype(np.float32)
    excited *= 2.0 * np.sqrt((calm**2).mean() / (excited**2).mean())
    both = np.concatenate([calm, np.zeros(RATE // 3, np.float32), excited])
    return 0.5 * both / np.abs(both).max(), len(calm) / RATE


# --- features ---------------------------------------------------------------------------------------------------------


def column(found, name):
    return found.values[:, FEATURES.index(name)]


def test_a_steady_tone():
    found = features_of(buzz(200.0))
    assert np.median(column(found, "pitch")) == pytest.approx(12.0, abs=0.1)
    assert np.abs(column(found, "pitch_spread")).max() < 0.2
    assert np.abs(np.median(column(found, "pitch_slope"))) < 0.5
    assert column(found, "pauses").max() < 0.02 and np.median(column(found, "harmonicity")) > 20
    assert np.diff(found.time_s) == pytest.approx(0.1) and len(found.values) == 31


def test_a_glide_rises_by_its_slope():
    found = features_of(buzz(100 * 2 ** np.linspace(0, 0.75, 3 * RATE)))  # 9 semitones in 3 s
    assert np.median(column(found, "pitch_slope")) == pytest.approx(3.0, abs=0.3)
    assert np.median(column(found, "pitch_spread")) > 1.0


def test_syllables_are_counted():
    swell = 0.05 + 0.95 * np.sin(np.pi * 4 * np.arange(4 * RATE) / RATE) ** 2  # four a second
    found = features_of(buzz(150.0, 4.0) * swell)
    assert np.median(column(found, "rate")) == pytest.approx(4.0, abs=0.4)


def test_effort_tilts_the_spectrum():
    soft, pressed = (np.median(column(features_of(buzz(150.0, slope_db=s)), "tilt")) for s in (-12.0, -3.0))
    assert pressed > soft + 10


def test_pauses_between_sounds_count_and_those_around_do_not():
    quiet = np.zeros(RATE)
    found = features_of(np.concatenate([quiet, buzz(150.0, 2.0), quiet, buzz(150.0, 2.0), quiet]))
    inside = column(found, "pauses")[10:60]
    # At the pause's middle: 0.31 of a Gaussian of 1.25 s lies within half a second, and 0.2 of the recording leans in.
    assert inside.max() == pytest.approx((0.311 + 0.2 * 0.2) / 1.2, abs=0.02) and inside.min() < 0.13
    whole = features_of(np.concatenate([quiet, buzz(150.0, 4.0), quiet]))
    assert column(whole, "pauses").max() < 0.1


def test_blocks_do_not_show(voice, monkeypatch):
    speech = prepare(voice[0], voice[1])
    prosody = measure(speech)
    whole = voice_features(speech, prosody)
    monkeypatch.setattr(features_module, "_BLOCK", 37)
    np.testing.assert_allclose(voice_features(speech, prosody).values, whole.values, atol=1e-6)


# --- emotions ---------------------------------------------------------------------------------------------------------


def test_the_tables_are_whole():
    assert set(NORMS) == set(FEATURES) and set(DIRECTIONS) == set(EMOTIONS[1:]) == set(RECOGNISED)
    for direction in [*DIRECTIONS.values(), AROUSAL]:
        assert set(direction) <= set(FEATURES) and set(direction.values()) <= {-1, -0.5, 0.5, 1}
    assert set(PLACES) == set(EMOTIONS)


def test_calm_reading_is_neutral(voice):
    found = heard(voice[0], voice[1])
    assert found.emotion[:, 1:].sum(1).max() < 0.05 and np.abs(found.affect[:, 1]).mean() < 0.3


@pytest.mark.parametrize("speaker", ["4088", "4406", "5652", "8226"])
def test_readers_are_near_neutral(speaker):
    """None of them is among those whose reading is the norm."""
    for path in sorted(shared(f"librispeech/{speaker}").glob("*.flac"))[:2]:
        found = heard(*read_audio(path))
        assert found.emotion[:, 1:].sum(1).mean() < 0.06, path.name  # worst of 100 utterances: 0.047
        assert found.emotion[:, 0].min() > 0.7 and abs(found.affect[:, 1].mean()) < 0.35


def test_a_voice_that_grows_excited(voice):
    samples, border_s = stirred(voice[0], voice[1])
    found = heard(samples)
    calm, excited = found.time_s < border_s - 1, found.time_s > border_s + 1.3
    arousal, others = found.affect[:, 1], found.emotion[:, 1:].sum(1)
    assert arousal[excited].mean() > arousal[calm].mean() + 0.4
    assert others[excited].mean() > others[calm].mean() + 0.08
    active = [EMOTIONS.index(name) for name in ("happy", "surprise", "anger", "fear")]
    assert found.emotion[excited][:, active].sum() > 0.9 * others[excited].sum()


def test_curves_are_smooth(voice):
    samples, _ = stirred(voice[0], voice[1])
    found = heard(samples)
    assert np.abs(np.diff(found.affect[:, 1])).max() < 0.08  # in a tenth of a second
    assert np.abs(np.diff(found.emotion, axis=0)).max() < 0.12


def test_gain_and_rate_of_the_recording_do_not_matter(voice):
    samples, _ = stirred(voice[0], voice[1])
    once = heard(samples)
    np.testing.assert_allclose(heard(0.05 * samples).emotion, once.emotion, atol=1e-3)
    whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    np.testing.assert_allclose(heard(whole).affect, once.affect, atol=0.02)


@pytest.mark.parametrize("seconds", [0.12, 0.5, 3.0])
def test_what_is_no_voice_is_neutral(seconds):
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    found = heard(noise)
    assert np.isfinite(found.emotion).all() and found.emotion[:, 1:].sum(1).max() < 0.1


def test_a_silence_leans_on_the_rest(voice):
    samples, _ = stirred(voice[0], voice[1])
    found = heard(np.concatenate([samples, np.zeros(8 * RATE, np.float32)]))
    assert np.abs(found.affect[-20:, 1] - found.affect[-20, 1]).max() < 0.02, "long after the voice it stands still"


@settings(max_examples=200, deadline=None)
@given(arrays(np.float64, (3, len(FEATURES)), elements=st.floats(-4, 4)))
def test_ranges(away):
    found = read(np.arange(3) / 10, away)
    assert found.emotion.min() >= 0 and np.allclose(found.emotion.sum(1), 1)
    assert np.abs(found.affect).max() <= 1


@pytest.mark.parametrize("emotion", EMOTIONS[1:])
def test_farther_out_is_felt_more(emotion):
    steps = np.linspace(0, 6, 25)
    found = read(steps, np.outer(steps, _unit(DIRECTIONS[emotion])))
    felt = found.emotion[:, EMOTIONS.index(emotion)]
    assert felt[0] == 0 and (np.diff(felt) >= -1e-12).all()
    assert felt[-1] == found.emotion[-1, 1:].max() > 0.2
    sign = np.sign(PLACES[emotion][0])
    assert np.sign(found.affect[-1, 0]) == sign


def test_nothing_out_of_the_way_is_neutral():
    found = read(np.zeros(1), np.zeros((1, len(FEATURES))))
    np.testing.assert_array_equal(found.emotion, np.eye(8)[:1])
    np.testing.assert_array_equal(found.affect, 0)


def test_readers_are_nothing_out_of_the_way():
    means = np.array([NORMS[name][0] for name in FEATURES])
    moments = features_module.VoiceFeatures(np.arange(5) / 10, np.tile(means, (5, 1)), np.full(5, 10.0))
    np.testing.assert_allclose(deviations(moments), 0, atol=1e-12)
    low = moments.values.copy()
    low[:, 0] = 2.6 - 2 * NORMS["pitch"][1]  # two deviations below the lower heap
    known = 50 / 52
    moments = features_module.VoiceFeatures(moments.time_s, low, moments.voiced_s)
    np.testing.assert_allclose(deviations(moments)[:, 0], -2 * known / np.sqrt(2))


# --- affect -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_place_and_back(emotion):
    valence, arousal, dominance = np.array(PLACES[emotion])
    found = emotions_of(valence, arousal, dominance)
    assert EMOTIONS[int(found.argmax())] == emotion
    assert found.min() >= 0 and found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(affect_of(np.eye(8)[EMOTIONS.index(emotion)]), [valence, arousal])


def test_without_dominance_fear_and_anger_share():
    found = emotions_of(np.array([-0.55]), np.array([0.6]))[0]
    fear, anger = found[EMOTIONS.index("fear")], found[EMOTIONS.index("anger")]
    assert fear == pytest.approx(anger, rel=0.3) and fear > 0.2
    told = emotions_of(np.array([-0.55]), np.array([0.6]), np.array([0.3]))[0]
    assert told[EMOTIONS.index("anger")] > 5 * told[EMOTIONS.index("fear")]


def test_other_moments_are_between():
    found = HeardEmotion(np.array([0.0, 1.0]), np.eye(8)[:2], np.array([[0.0, 0.0], [1.0, -1.0]]))
    half = found.at(np.array([0.5, 7.0]))
    np.testing.assert_allclose(half.affect, [[0.5, -0.5], [1, -1]])
    np.testing.assert_allclose(half.emotion[0, :2], 0.5)
    assert half.curves()["affect"].names == AFFECT and half.curves()["emotion"].values.dtype == np.float32
