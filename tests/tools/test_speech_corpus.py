"""The corpus of speech with phone times: what goes in, and that its times are true."""

import shutil
from itertools import islice

import numpy as np
import pytest

from animate.encoder.corpus import PHONES
from animate.speech import RATE
from tests.shared_data import shared_file
from tools.speech_corpus.aligned import aligned
from tools.speech_corpus.synthetic import sentences, synthetic


def silence_is_quieter(spoken) -> float:
    """dB from the median silence to the median vowel."""
    level = {True: [], False: []}
    for phone, start, end in zip(spoken.phones, spoken.start_s, spoken.end_s, strict=True):
        part = spoken.samples[round(start * RATE) : round(end * RATE)].astype(float)
        if end - start > 0.06 and PHONES[phone][0] in "AEIOUS":
            level[PHONES[phone] == "SIL"].append(20 * np.log10(np.sqrt((part**2).mean()) + 1))
    return np.median(level[False]) - np.median(level[True])


@pytest.mark.long
def test_sentences_are_the_same_for_a_seed_and_hold_words():
    a, b, c = (sentences(20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert a == b != c
    assert all(6 <= len(line.split()) <= 14 for line in a)


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_flite_tells_the_times_of_its_phones():
    for spoken in islice(synthetic(None, lambda name: False), 3):
        assert spoken.trusted.all()
        assert (spoken.start_s[1:] == spoken.end_s[:-1]).all()
        assert silence_is_quieter(spoken) > 20


def test_aligned_speakers_come_with_their_times():
    shared_file("speech/librispeech_alignments/4088")
    spoken = next(aligned(shared_file("speech"), lambda name: False))
    assert spoken.speaker == "4088" and spoken.trusted.mean() > 0.9
    assert spoken.end_s[-1] == pytest.approx(spoken.duration_s, abs=0.02)
    assert silence_is_quieter(spoken) > 10
