import itertools

import numpy as np
import pytest

from animate import speech
from animate.speech import RATE, Speech, measure, pauses, pieces, prepare
from flame_tools.errors import InputError


def voiced(f0, seconds=1.0, rate=RATE, level=0.3):
    """A buzz with the harmonics of a voice; f0 in Hz, constant or an array of one per sample."""
    phase = np.cumsum(np.broadcast_to(f0, int(rate * seconds)) / rate)
    return (level * sum(np.cos(2 * np.pi * k * phase) / k for k in range(1, 12))).astype(np.float32)


@pytest.mark.parametrize(
    "audio, match",
    [
        (np.zeros(0), "lasts 0.000 s"),
        (np.zeros(16000), "silent"),
        (np.full(16000, 0.25), "silent"),  # direct current is no sound
        (np.full(500, 0.5), "lasts 0.031 s"),
        (np.zeros((16000, 2)), "16000 channels of 2 samples.*give audio.T"),
        (np.r_[np.ones(8000), np.nan, np.ones(8000)], "1 samples that are NaN"),
        (np.array(["a"] * 9999), "type"),
        (np.zeros((2, 3, 4)), "wanted .N. or .C, N."),
    ],
)
def test_bad_audio_is_refused(audio, match):
    with pytest.raises(InputError, match=match):
        prepare(audio, 16000)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 96000])
def test_any_rate_becomes_16_khz(rate):
    made = prepare(voiced(150, rate=rate), rate)
    assert made.rate == rate and len(made.samples) == rate
    assert abs(len(made.analysis) - RATE) <= 1
    assert np.abs(made.analysis).max() == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32])
def test_integers_of_any_depth(kind):
    info, sound = np.iinfo(kind), voiced(150, level=0.2)
    middle = 128 if kind is np.uint8 else 0
    whole = (sound * (info.max - middle) + middle).astype(kind)
    np.testing.assert_allclose(prepare(whole, RATE).samples, sound, atol=0.02)  # 8 bits: steps of 1/128


def test_channels_are_averaged_and_quiet_voices_served():
    stereo = np.stack([voiced(150), np.zeros(RATE, np.float32)]) * 0.002
    assert np.abs(prepare(stereo, RATE).analysis).max() == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize("f0", [90.0, 150.0, 240.0, 330.0])
def test_pitch_of_a_known_voice(f0):
    prosody = measure(prepare(voiced(f0), RATE))
    found = prosody.f0_hz[10:-10]
    assert np.isfinite(found).mean() > 0.95
    assert np.nanmedian(found) == pytest.approx(f0, rel=0.01)
    assert prosody.voicing[10:-10].min() > 0.9


def test_noise_is_unvoiced():
    noise = np.random.default_rng(0).normal(0, 0.2, RATE).astype(np.float32)
    assert np.isfinite(measure(prepare(noise, RATE)).f0_hz).mean() < 0.1


def test_loudness_falls_by_the_decibels_it_should():
    sound = voiced(120, 2.0)
    sound[RATE:] *= 0.1
    loud = measure(prepare(sound, RATE)).loudness_db
    assert np.median(loud[20:80]) - np.median(loud[120:180]) == pytest.approx(20.0, abs=0.2)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_a_few_words_in_a_long_silence_are_as_loud_as_alone(noise):
    words = voiced(150, 2.0)
    silence = np.random.default_rng(0).normal(0, noise, 60 * RATE).astype(np.float32)
    prosody = measure(prepare(np.concatenate([silence, words]), RATE))
    assert prosody.loudness_db[6020:6180] == pytest.approx(0.0, abs=1.0)
    assert prosody.loudness_db[:5990].max() < -40
    assert pauses(prosody)[0] == pytest.approx((0.0, 60.0), abs=0.05)
    assert np.isnan(prosody.f0_hz[:5990]).all()


def test_a_clap_does_not_make_speech_silent():
    sound = voiced(150, 4.0, level=0.05)
    sound[RATE : RATE + 1600] += np.random.default_rng(0).normal(0, 0.5, 1600).astype(np.float32)
    loud = measure(prepare(np.concatenate([np.zeros(8 * RATE, np.float32), sound]), RATE)).loudness_db
    assert np.median(loud[1000:1190]) == pytest.approx(0.0, abs=3.0)


def test_blocks_leave_no_seams(monkeypatch):
    sound = prepare(voiced(np.linspace(100, 200, 3 * RATE), 3.0), RATE)
    whole = measure(sound)
    monkeypatch.setattr(speech, "_BLOCK", 37)
    parts = measure(sound)
    np.testing.assert_allclose(parts.loudness_db, whole.loudness_db, atol=1e-4)
    # librosa.yin smooths nothing between frames, so blocks of any size agree.
    np.testing.assert_allclose(parts.f0_hz, whole.f0_hz, rtol=1e-3)


def test_pauses_and_pieces():
    gap = np.zeros(RATE // 2, np.float32)
    sound = np.concatenate([voiced(150, 2.0), gap] * 6)
    made = prepare(sound, RATE)
    prosody = measure(made)
    found = pauses(prosody)
    assert len(found) == 6
    assert found[0] == pytest.approx((2.0, 2.5), abs=0.03)
    cut = pieces(prosody, made.duration_s, longest_s=6.0)
    assert cut[0][0] == 0.0 and cut[-1][1] == made.duration_s
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cut))
    assert max(b - a for a, b in cut) <= 6.0
    for _, edge in cut[:-1]:
        assert any(a <= edge <= b for a, b in found), f"{edge} s is inside speech"


def test_a_recording_without_pauses_is_still_cut():
    made = prepare(voiced(150, 9.0), RATE)
    assert max(b - a for a, b in pieces(measure(made), made.duration_s, longest_s=4.0)) <= 4.0


def test_the_original_is_kept():
    sound = voiced(150, rate=48000)
    made = prepare(sound, 48000)
    assert isinstance(made, Speech)
    np.testing.assert_array_equal(made.samples, sound / max(1.0, np.abs(sound).max()))
