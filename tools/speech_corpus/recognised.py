"""Many voices without a text: the recogniser's words and their phones, where a phone loop confirms each word.

One reader in one utterance each: what they bring is variety of voices and microphones, not exact times.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from animate.agreement import agreement
from animate.audio_file import read_audio
from animate.encoder.corpus import PHONES, TEST_SPEAKERS, Utterance, utterance
from animate.recognizer import Recognizer
from animate.speech import measure, prepare
from animate.visemes import SILENCE
from tools.speech_corpus.aligned import SPEAKERS
from tools.speech_corpus.decoded import decoded, looped

# A word whose phones the loop confirms by less is not learnt from.
_CONFIRMED = 0.5


def recognised(speech: Path, done) -> Iterator[Utterance]:
    """Of `speech`/librispeech_untranscribed, without the speakers who are in another part or kept for tests."""
    loop = Recognizer()
    for file in sorted((speech / "librispeech_untranscribed").glob("*.flac")):
        speaker = file.stem.split("-")[0]
        if speaker in TEST_SPEAKERS or speaker in SPEAKERS or done(file.stem):
            continue
        audio = prepare(*read_audio(file))
        prosody = measure(audio)
        found, heard = decoded(audio, prosody), looped(loop, audio, prosody)
        doubtful = [
            (start, end)
            for start, end in zip(found.words.start_s, found.words.end_s, strict=True)
            if (agreement(found.phones, heard, prosody, within=(start, end)) or 0.0) < _CONFIRMED
        ]
        rows = []
        for name, start, end, lower in zip(
            found.phones.names, found.phones.start_s, found.phones.end_s, found.fallback, strict=True
        ):
            middle = (start + end) / 2
            known = name in PHONES  # the loop has a sound of its own for spoken noise
            trusted = known and not lower and not any(a <= middle < b for a, b in doubtful)
            rows.append((name if known else SILENCE, float(start), float(end), trusted))
        yield utterance(audio.analysis, rows, speaker=speaker, name=file.stem)
