"""The lips of voices that nothing learnt from, without a text, against an alignment of their text.

    python benchmarks/animate_unheard.py [--modes text,loop,heard] [--every 1] [--emotions neutral]
        [--encoder ENCODER.npz] [--model MODEL.npz]

Voices: LibriSpeech test-other 1688, 1998, 2033, 2414, 2609, LJSpeech and ARCTIC (../shared/data); every N-th recording
of each. Truth is the recogniser's alignment of the text; segments that needed a fallback are left out. Modes: `text`
the teacher with its text, `loop` the teacher with a phone loop, `still` a face that never moves, `heard` the teacher
with the phones that emberface-speech hears, `learned` the model of --model FILE. --encoder is a file, the bundled one
by default. The last line is one JSON object: for each mode and emotion (at full intensity) the pooled figures of
`eval lips`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
DATA = ROOT.parent / "shared" / "data" / "speech"
SETS = ("librispeech_test_other", "ljspeech", "cmu_arctic")

from benchmarks.animate_lips import pooled  # noqa: E402


def recordings(every: int) -> list[tuple[Path, str]]:
    """(sound, transcript) of every N-th recording of each voice."""
    rows = [line.split("\t") for line in (DATA / "transcripts.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    voices: dict[str, list] = {}
    for file, kind, speaker, _, _, transcript, *_ in rows:
        if kind in SETS and transcript:
            voices.setdefault(speaker if kind != "cmu_arctic" else kind, []).append((DATA / file, transcript))
    return [row for voice in sorted(voices) for row in sorted(voices[voice])[::every]]


@cache
def heard_by(text: str | None, sound: Path):
    """(speech, prosody, phones) of a recording: aligned with its text, or as the encoder hears it."""
    from animate.audio_file import read_audio
    from animate.phones import find_phones
    from animate.speech import measure, prepare

    speech = prepare(*read_audio(sound))
    prosody = measure(speech)
    return speech, prosody, find_phones(speech, prosody, text=text)


def by_loop(sound: Path):
    """Phones as a phone loop hears them."""
    from animate.recognizer import Recognizer
    from tools.speech_corpus.decoded import looped

    speech, prosody, aligned = heard_by(_texts[sound], sound)
    found = looped(Recognizer(), speech, prosody)
    return dataclasses.replace(aligned, phones=found, fallback=np.zeros(len(found), bool))


_texts: dict[Path, str] = {}


def track_of(mode: str, sound: Path, text: str, emotion: str, head, options) -> tuple:
    """The track of a mode, and the seconds that it took with listening."""
    import torch

    from animate.emotion import parse
    from animate.hearing import hear
    from animate.phones import phones_heard
    from animate.pipeline import performances

    speech, prosody, aligned = heard_by(text, sound)
    felt = parse(None if emotion == "neutral" else emotion)
    asked = {"head": head, "shape": torch.zeros(head.shape_size), "fps": options.fps}
    started = time.perf_counter()
    if mode in ("heard", "learned"):
        hearing = hear(speech.analysis, options.ear)
        phones = phones_heard(hearing, prosody)
        learnt = (options.performer, hearing) if mode == "learned" else None
        track = next(performances(speech, prosody, phones, felt, **asked, learnt=learnt))
    else:
        phones = by_loop(sound) if mode == "loop" else aligned
        track = next(performances(speech, prosody, phones, felt, **asked))
    if mode == "still":
        params = track.params
        still = params.replace(expression=torch.zeros_like(params.expression), jaw=torch.zeros_like(params.jaw))
        track = track.replace(params=still)
    return track, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--modes", default="text,loop,heard")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--emotions", default="neutral")
    parser.add_argument("--fps", type=Fraction, default=Fraction(30))
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    if "learned" in options.modes.split(",") and options.model is None:
        parser.error("the mode learned needs --model FILE")

    import torch

    from animate.encoder.weights import load_weights
    from animate.learned import load_performer
    from animate.metrics import lip_report
    from flame_tools.load import load_head

    torch.set_num_threads(1)
    head = load_head("default")
    options.ear = load_weights(options.encoder) if options.encoder else None
    options.performer = load_performer(options.model) if options.model else None
    chosen = recordings(options.every)
    _texts.update(chosen)
    result: dict = {"recordings": len(chosen), "fps": float(options.fps)}
    for mode in options.modes.split(","):
        for emotion in options.emotions.split(","):
            reports, seconds, spoken = [], 0.0, 0.0
            for sound, text in chosen:
                track, took = track_of(mode, sound, text, emotion, head, options)
                seconds += took
                spoken += len(track.audio) / track.audio_rate
                reports.append(lip_report(track, head, heard_by(text, sound)[2]))
            figures = pooled(reports) | {"times_real_time": round(spoken / seconds, 1)}
            figures["segments_used"] = round(float(np.mean([r.segments_used for r in reports])), 4)
            result.setdefault(mode, {})[emotion] = figures
            print(mode, emotion, figures, flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
