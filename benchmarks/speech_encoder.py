"""Phones heard without a text on voices that nothing learnt from: `emberface-speech` beside the recogniser.

python benchmarks/speech_encoder.py ENCODER.npz [--most 20] [--changed] [--without-recogniser]

Truth is the corpus' held-out speakers (tools/speech_corpus); only TextGrids count, not pseudo-labels. `--changed` plays
each in a room, with noise or music behind it or through a codec, the same for both. The last line is one JSON object:
`accuracy` of frames (the likeliest phone), `live_accuracy` with a stream's short look ahead, `bilabial_closure`,
`false_closure` (open vowels) and `false_closure_other` of the decoded phones, with `_frames` of the likeliest phone of
each frame, with `_recogniser` of the recogniser; `realtime_factor` of listening on one thread.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from animate.encoder.corpus import HELD_OUT, PHONES, Utterance, corpus_folder, load_corpus  # noqa: E402
from animate.encoder.data import AugmentConfig, Item, coloured  # noqa: E402
from animate.encoder.decode import best_path, bigram  # noqa: E402
from animate.encoder.evaluate import Lips  # noqa: E402
from animate.encoder.model import listen  # noqa: E402
from animate.encoder.validate import validate  # noqa: E402
from animate.encoder.weights import load_weights  # noqa: E402
from animate.speech import RATE, measure, prepare  # noqa: E402
from animate.textgrid import intervals  # noqa: E402
from tools.speech_corpus.decoded import decoded  # noqa: E402


def main(arguments: list[str]) -> int:
    most = int(arguments[arguments.index("--most") + 1]) if "--most" in arguments else 20
    torch.set_num_threads(1)
    encoder = load_weights(Path(arguments[0]))
    learnt, kept = load_corpus([corpus_folder() / "aligned"])
    kept = [spoken for spoken in kept if spoken.speaker in HELD_OUT]
    chosen = kept[:: max(len(kept) // most, 1)][:most]
    if "--changed" in arguments:
        pool = [Item(spoken, np.zeros(1), np.zeros(1)) for spoken in learnt]
        chosen = [changed(spoken, pool, np.random.default_rng(i)) for i, spoken in enumerate(chosen)]
    changes = bigram(learnt)
    figures: dict[str, float] = {"utterances": len(chosen), "seconds": round(sum(u.duration_s for u in chosen), 1)}
    for name, path in (
        ("", lambda scores: best_path(scores, changes)),
        ("_frames", None),
    ):
        found = vars(validate(encoder, chosen, most=most, path=path))
        figures |= {f"{key}{name}": round(value, 4) for key, value in found.items()}
    started = time.process_time()
    for spoken in chosen[:5]:
        listen(encoder, torch.from_numpy(spoken.samples.astype(np.float32) / 32768))
    took = time.process_time() - started
    figures["realtime_factor"] = round(sum(u.duration_s for u in chosen[:5]) / took, 1)
    if "--without-recogniser" not in arguments:
        figures |= {f"{key}_recogniser": round(value, 4) for key, value in recogniser(chosen).items()}
    print(json.dumps(figures))
    return 0


def changed(spoken: Utterance, pool: list[Item], rng) -> Utterance:
    """The utterance as it may come over a call or from a street."""
    sound, _ = coloured(spoken.samples.astype(np.float32) / 32768, pool, AugmentConfig(0, 0, 0.7, 0.5, 0.8, 0.2), rng)
    sound = sound / np.abs(sound).max() * 0.9
    return dataclasses.replace(spoken, samples=(sound * 32767).astype(np.int16))


def recogniser(chosen) -> dict[str, float]:
    lips = Lips()
    for spoken in chosen:
        speech = prepare(spoken.samples, RATE)
        found = decoded(speech, measure(speech))
        rows = zip(spoken.phones, spoken.start_s, spoken.end_s, spoken.trusted, strict=True)
        lips.add(intervals((PHONES[p], a, b) for p, a, b, sure in rows if sure), found.phones)
    return lips.figures()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
