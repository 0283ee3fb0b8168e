import numpy as np
import pytest

from animate.agreement import agreement
from animate.audio_file import read_audio
from animate.phones import join
from animate.recognizer import Heard, Recognizer
from animate.speech import RATE, Prosody, measure, prepare
from animate.textgrid import read_textgrid
from animate.visemes import BILABIAL, VISEMES, plain
from flame_tools.errors import InputError
from tests.animate.conftest import found, utterance


def gapless(phones, duration):
    tier = phones.phones
    assert tier.start_s[0] == 0.0 and tier.end_s[-1] == pytest.approx(duration)
    np.testing.assert_allclose(tier.start_s[1:], tier.end_s[:-1], atol=0.013)
    assert (tier.end_s > tier.start_s).all()
    assert {plain(name) for name in tier.names} <= set(VISEMES) | {"SIL"}


def test_the_bundled_voice_with_its_text(voice, aligned):
    samples, rate, text = voice
    shares = []
    phones, speech = found(samples, rate, text, progress=shares.append)
    gapless(phones, speech.duration_s)
    report = phones.report()
    assert report["method"] == "align" and report["fallback_share"] == 0.0 and report["left_out"] == []
    assert report["oov"] == list(phones.oov)
    assert phones.words.names[:4] == ("but", "as", "the", "riper")
    assert shares[-1] == 1.0
    assert aligned.phones.names == phones.phones.names
    np.testing.assert_array_equal(aligned.phones.start_s, phones.phones.start_s)


def test_the_bundled_voice_without_text(voice, aligned):
    samples, rate, _ = voice
    phones, speech = found(samples, rate)
    gapless(phones, speech.duration_s)
    assert phones.method == "hear" and not len(phones.words)
    assert agreement(aligned.phones, phones.phones, measure(speech)) > 0.36


@pytest.mark.parametrize("name", ["4406-16882-0003", "8226-274369-0002", "5652-19215-0009"])
def test_alignment_against_a_textgrid(name):
    sound, grid, text = utterance(name)
    phones, _ = found(*read_audio(sound), text)
    truth = read_textgrid(grid)["phones"]
    assert phones.fallback_share == 0.0
    starts = [s for n, s in zip(phones.phones.names, phones.phones.start_s, strict=True) if n in BILABIAL]
    wanted = [s for n, s in zip(truth.names, truth.start_s, strict=True) if plain(n) in BILABIAL]
    off = [min(abs(s - t) for s in starts) for t in wanted]
    assert np.median(off) < 0.015 and max(off) < 0.09  # the grids themselves step by 10 ms


def test_words_go_with_their_phones_where_a_silence_is_loud_at_its_edges():
    loudness = np.full(100, -60.0, np.float32)
    loudness[22:68] = -5.0
    prosody = Prosody(loudness, np.full(100, np.nan, np.float32), np.zeros(100), -60.0)
    phones = (("SIL", 0.0, 0.3), ("M", 0.3, 0.4), ("AY", 0.4, 0.5), ("N", 0.5, 0.6), ("SIL", 0.6, 1.0))
    made = join([(0.0, Heard((("my", 0.3, 0.5), ("n", 0.5, 0.6)), phones), False)], prosody, 1.0, "align")
    assert made.phones.start_s[1] == pytest.approx(0.22) and made.phones.end_s[3] == pytest.approx(0.67)
    np.testing.assert_allclose(made.words.start_s, [0.22, 0.5], atol=1e-9)
    np.testing.assert_allclose(made.words.end_s, [0.5, 0.67], atol=1e-9)


def test_noise_in_the_pauses_is_not_given_to_the_phones_beside_them():
    loudness = np.full(200, -15.0, np.float32)
    loudness[100:150] = -2.0
    prosody = Prosody(loudness, np.full(200, np.nan, np.float32), np.zeros(200), -15.5)
    phones = (("SIL", 0.0, 1.0), ("M", 1.0, 1.1), ("AY", 1.1, 1.5), ("SIL", 1.5, 2.0))
    made = join([(0.0, Heard((), phones), False)], prosody, 2.0, "hear")
    np.testing.assert_allclose(made.phones.start_s, [0.0, 1.0, 1.1, 1.5], atol=0.011)


def test_unknown_words_get_a_pronunciation():
    sound, _, text = utterance("5652-19215-0009")
    phones, _ = found(*read_audio(sound), text)
    assert "fauchelevent" in phones.oov and "notoriete" in phones.oov
    assert phones.fallback_share == 0.0


@pytest.mark.long
def test_long_recordings_are_cut_where_text_and_sound_agree():
    parts = [utterance(f"4406-16882-000{i}") for i in range(4)]
    sounds = [read_audio(sound) for sound, _, _ in parts]
    text = " ".join(t for _, _, t in parts)
    phones, speech = found(np.concatenate([s for s, _ in sounds]), sounds[0][1], text)
    gapless(phones, speech.duration_s)
    assert speech.duration_s > 40
    assert phones.fallback_share < 0.05
    assert [w for w in phones.words.names] == text.lower().split()
    offset = 0.0
    for (samples, rate), (_, grid, _) in zip(sounds, parts, strict=True):
        words = read_textgrid(grid)["words"]
        first = next(i for i, name in enumerate(words.names) if name)
        start = words.start_s[first] + offset
        assert np.abs(phones.words.start_s - start).min() < 0.15, "a word slid to another utterance"
        offset += len(samples) / rate


@pytest.mark.long
def test_a_wrong_text_is_noticed():
    sound, _, _ = utterance("4406-16882-0031")
    wrong = " ".join(["completely", "different", "sentences", "about", "bicycles", "and", "marmalade"] * 3)
    phones, _ = found(*read_audio(sound), wrong)
    assert phones.fallback_share > 0.5 and phones.fits is False


def test_a_texts_own_model_knows_its_words_alone_in_all_their_pronunciations(voice):
    samples, rate, _ = voice
    recognizer = Recognizer()
    recognizer.add_word("blorb", ("B", "L", "AO", "R", "B"))
    heard = recognizer.decode_biased(prepare(samples, rate).analysis, ["but", "as", "the", "should", "blorb"])
    assert heard is not None and {word for word, _, _ in heard.words} <= {"but", "as", "the", "should", "blorb"}
    (decoder,) = (made for key, made in recognizer._decoders.items() if key.startswith("biased"))
    assert decoder.lookup_word("blorb") == "B L AO R B" and decoder.lookup_word("the(2)")
    assert decoder.lookup_word("because") is None  # the whole dictionary takes ten seconds to set up


@pytest.mark.parametrize("text", ["", "   ", "你好，世界", "--- !!"])
def test_a_text_without_english_words_is_refused(voice, text):
    with pytest.raises(InputError, match="no word in English letters"):
        found(voice[0], voice[1], text)


def test_words_in_other_scripts_are_left_out(voice):
    samples, rate, text = voice
    phones, _ = found(samples, rate, "世界 " + text)
    assert phones.left_out == ("世界",) and phones.method == "align"


def test_noise_has_no_phones_that_close():
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    phones, speech = found(noise, RATE)
    gapless(phones, speech.duration_s)
    closed = sum(e - s for n, s, e in zip(*_columns(phones), strict=True) if n in BILABIAL)
    assert closed < 0.3 * speech.duration_s


def _columns(phones):
    return phones.phones.names, phones.phones.start_s, phones.phones.end_s
