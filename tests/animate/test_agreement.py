import numpy as np
import pytest

from animate.agreement import agreement
from animate.audio_file import read_audio
from animate.speech import Prosody
from flame_tools.errors import InputError
from tests.animate.conftest import found, shared, utterance
from tests.animate.test_coarticulation import said


def voiced_between(start_s: float, end_s: float, seconds: float) -> Prosody:
    times = (np.arange(int(seconds * 100)) + 0.5) / 100
    inside = (times >= start_s) & (times < end_s)
    loud = np.where(inside, -3.0, -50.0).astype(np.float32)
    return Prosody(loud, np.where(inside, 120.0, np.nan), inside.astype(np.float32), -50.0)


def test_agreement_of_phones():
    wanted, seconds = said("B AA T")
    prosody = voiced_between(wanted.start_s[1], wanted.end_s[-2], seconds)
    assert agreement(wanted, wanted, prosody) == 1.0
    kin, other = said("P AE D")[0], said("S IY K")[0]
    assert agreement(wanted, kin, prosody) == pytest.approx(0.75)  # classes alone: a half, and 1 by the consonants
    assert agreement(wanted, other, prosody) == 0.0
    silent = said("")[0]
    assert agreement(silent, wanted, prosody) == 0.0, "a text that leaves the voice without phones"
    assert agreement(silent, silent, voiced_between(0, 0, seconds)) is None
    assert agreement(wanted, kin, prosody, within=(0.0, wanted.start_s[1])) is None


def test_a_text_far_too_long_is_refused(voice):
    samples, rate, _ = voice
    with pytest.raises(InputError, match=r"5000 words for 3\.0 s of sound, [0-9]+ phones a second"):
        found(samples[: 3 * rate], rate, "marmalade " * 5000)


def test_the_bundled_voice_fits_its_text_and_no_other(voice, aligned):
    samples, rate, _ = voice
    right = aligned.report()
    assert right["fits"] is True and right["agreement"] > 0.5
    other = "Completely different sentences about bicycles and orange marmalade, nothing that anybody has said."
    wrong = found(samples, rate, other)[0].report()
    assert wrong["fits"] is False and wrong["agreement"] < 0.35
    assert found(samples, rate, "hello")[0].fits is False


@pytest.mark.parametrize("name", ["2609-156975-0000", "2609-156975-0001", "1688-142285-0002", "2033-164914-0000"])
def test_the_hardest_voices_fit_their_texts(name):
    lines = shared("transcripts.tsv").read_text(encoding="utf-8").splitlines()
    rows = {row.split("\t")[0]: row.split("\t")[5] for row in lines}
    path = f"librispeech/{name.split('-')[0]}/{name}.flac"
    assert found(*read_audio(shared(path)), rows[path])[0].fits


@pytest.mark.parametrize(
    "name, other", [("4088-158077-0016", "4406-16882-0031"), ("5652-19215-0018", "4088-158077-0006")]
)
def test_the_text_of_another_utterance_is_flagged(name, other):
    assert found(*read_audio(utterance(name)[0]), utterance(other)[2])[0].fits is False


@pytest.mark.parametrize("name", ["Claire_joy_mandarin", "Claire_outofbreath_mandarin"])
def test_mandarin_is_spoken_without_words(name):
    phones, _ = found(*read_audio(shared(f"emotional_a2f/{name}.flac")))
    report = phones.report()
    assert report["method"] == "hear" and report["fits"] is None and not len(phones.words)
    spoken = [n for n in phones.phones.names if n != "SIL"]
    assert len(spoken) > 20 and len(set(spoken)) > 10, "the mouth moves"
