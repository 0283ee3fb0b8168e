"""What emberface-speech hears of a recording."""

import numpy as np
import pytest

from animate import hearing
from animate.audio_file import read_audio
from animate.encoder.corpus import PHONES
from animate.encoder.evaluate import Lips
from animate.hearing import hear
from animate.phones import phones_heard
from animate.speech import RATE, measure, prepare
from animate.textgrid import read_textgrid
from animate.visemes import VISEMES
from tests.animate.conftest import utterance


def heard(samples, rate):
    speech = prepare(samples, rate)
    return hear(speech.analysis), measure(speech)


def test_phones_are_gapless_and_sure_on_a_clear_voice(voice):
    found, prosody = heard(*voice[:2])
    phones = phones_heard(found, prosody)
    tier = phones.phones
    assert tier.start_s[0] == 0.0 and tier.end_s[-1] == pytest.approx(found.duration_s)
    np.testing.assert_allclose(tier.start_s[1:], tier.end_s[:-1], atol=1e-9)
    assert set(tier.names) <= set(VISEMES) | {"SIL"}
    assert phones.method == "hear" and not len(phones.words) and not phones.fallback.any()
    assert phones.agreement == found.confidence() > 0.5


def test_pieces_give_what_the_whole_gives(voice, monkeypatch):
    samples = prepare(*voice[:2]).analysis
    whole = hear(samples)
    monkeypatch.setattr(hearing, "_PIECE", 12345)
    shares = []
    pieces = hear(samples, progress=shares.append)
    np.testing.assert_allclose(pieces.log_phones, whole.log_phones, atol=2e-4)  # float32 sums in another order
    np.testing.assert_allclose(pieces.features.astype(float), whole.features.astype(float), atol=4e-3)  # float16
    assert pieces.phones().names == whole.phones().names
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 5


def test_a_voice_that_nothing_learnt_from():
    lips = Lips()
    for name in ("8226-274369-0002", "8226-274369-0005", "8226-274371-0001", "8226-274371-0005"):
        sound, grid, _ = utterance(name)
        found, prosody = heard(*read_audio(sound))
        lips.add(read_textgrid(grid)["phones"], phones_heard(found, prosody).phones)
    figures = lips.figures()  # 39 of 42 P B M are found; 2.6 % of open vowels and 4.7 % of the others are taken for one
    assert figures["bilabial_closure"] > 0.85, figures
    assert figures["false_closure"] < 0.06 and figures["false_closure_other"] < 0.08, figures


def test_noise_without_a_voice_says_nothing_for_sure():
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * RATE).astype(np.float32)
    found = hear(noise)
    spoken = [end - start for name, start, end in zip(*vars(found.phones()).values(), strict=True) if name != "SIL"]
    assert sum(spoken) < 0.3 * found.duration_s


def test_rows_are_probabilities_at_their_frames(voice):
    samples = prepare(*voice[:2]).analysis
    found = hear(samples)
    assert found.log_phones.shape[1] == len(PHONES)
    np.testing.assert_allclose(np.exp(found.log_phones).sum(1), 1, atol=1e-4)
    assert abs(len(found.log_phones) - len(samples) / RATE * 50) <= 3
    assert len(found.at_frames(30)) == int(np.ceil(len(samples) * 30 / RATE))
