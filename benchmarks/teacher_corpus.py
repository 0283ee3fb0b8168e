"""A small corpus of the teacher: aligned speech, performed with emotions and seeds that vary. For experiments.

    python benchmarks/teacher_corpus.py FOLDER [MINUTES] [--held-out]

Takes the speech that tools/speech_corpus has aligned, voices in turn, and writes shards (animate.corpus) with features
of log-mel. With --held-out the voice that nothing learns from.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from animate.corpus import clip_of, write_shards
from animate.emotion import EMOTIONS
from animate.encoder.corpus import Utterance, corpus_folder, load_corpus
from animate.encoders import LogMel
from animate.phones import Phones
from animate.pipeline import performance
from animate.speech import RATE, measure, prepare
from flame_tools.head import Head
from flame_tools.load import load_head
from flame_tools.types import Track

FPS = 30


def in_turn(spoken: list[Utterance]) -> Iterator[Utterance]:
    """One of each voice, then the next of each."""
    of_voice = [list(group) for _, group in itertools.groupby(spoken, lambda u: u.speaker)]
    return (u for row in itertools.zip_longest(*of_voice) for u in row if u is not None)


def feeling(number: int) -> np.ndarray:
    """Intensities [8]: nothing for one in six, else one or two emotions."""
    rng = np.random.default_rng((5, number))
    felt = np.zeros(len(EMOTIONS))
    if rng.random() > 1 / 6:
        for which, share in zip(rng.permutation(np.arange(1, 8))[: rng.integers(1, 3)], (1.0, 0.5), strict=False):
            felt[which] = share * rng.uniform(0.3, 1.0)
    return felt


def performed(spoken: Utterance, head: Head, felt: np.ndarray, seed: int) -> Track:
    """The teacher's performance of true phones."""
    speech = prepare(spoken.samples, RATE)
    prosody = measure(speech)
    tier = spoken.said
    truth = Phones(tier, tier, "align", np.zeros(len(tier), bool), (), (), 1.0, True)
    shape = torch.zeros(head.shape_size)
    return performance(speech, prosody, truth, felt, head=head, shape=shape, fps=Fraction(FPS), seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("minutes", type=float, nargs="?", default=20.0)
    parser.add_argument("--held-out", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    head, ear, start = load_head("default"), LogMel(), time.perf_counter()
    learnt, kept = load_corpus([corpus_folder() / "aligned"])
    made_s = [0.0]

    def clips():
        for number, spoken in enumerate(in_turn(kept if options.held_out else learnt)):
            if made_s[0] > 60 * options.minutes:
                return
            track = performed(spoken, head, feeling(number), number)
            made_s[0] += spoken.duration_s
            yield clip_of(track, ear, FPS, speaker=spoken.speaker, name=spoken.name)

    count = write_shards(clips(), options.folder, fps=FPS, head_id=head.arrays.id, encoder=ear.name)
    seconds = time.perf_counter() - start
    print(json.dumps({"clips": count, "minutes": round(made_s[0] / 60, 2), "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
