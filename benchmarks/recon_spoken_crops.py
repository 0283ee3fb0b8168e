"""Made crops of people who speak: what the losses of recon_ablation learn lips from.

    python benchmarks/recon_spoken_crops.py FOLDER COUNT [FIRST]

As recon.synthetic.shards makes them (`read_shards` reads them), but the expressions are frames of lines that the
performer's teacher acts, half of them with an emotion. Voices that are kept for tests say nothing here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from animate.emotion import EMOTIONS, parse
from animate.encoder.corpus import corpus_folder, load_corpus
from animate.manner import Manner
from animate.perform import params_of, speak
from animate.speech import RATE, measure, prepare
from flame_tools.head import Head
from flame_tools.lips import Lips
from flame_tools.load import load_head
from flame_tools.types import FaceParams
from recon.synthetic.crops import PICTURES, Crops, made_crops, random_people
from recon.synthetic.numbered import write_numbered
from recon.synthetic.shards import SHARD

LINES = 24  # a file
LINE_S = 4.0  # of each
FPS = 30


class Spoken:
    """People who speak by chance: PICTURES frames of one line each time."""

    def __init__(self, head: Head, seed: int):
        rng = np.random.default_rng((seed, 1))
        learnt, _ = load_corpus([corpus_folder() / "aligned"])
        lips = Lips(head, torch.zeros(head.shape_size))
        self.lines = []
        for i in rng.choice(len(learnt), LINES, replace=False):
            speech = prepare(learnt[i].samples[: int(LINE_S * RATE)], RATE)
            times = np.arange(int(speech.duration_s * FPS)) / FPS
            felt = parse(f"{rng.choice(EMOTIONS)}:{rng.uniform(0, 1):.2f}" if rng.uniform() < 0.5 else None)
            made = speak(learnt[i].said, measure(speech), times, speech.duration_s, felt, lips=lips, manner=Manner())
            self.lines.append(params_of(made, head, torch.zeros(head.shape_size)).in_head_frame())

    def __call__(self, head: Head, rng: np.random.Generator) -> tuple[FaceParams, FaceParams]:
        rest, line = random_people(head, rng), self.lines[int(rng.integers(len(self.lines)))]
        frames = torch.as_tensor(rng.integers(len(line.expression), size=PICTURES))
        moving = {name: getattr(line, name)[frames] for name in ("expression", "jaw", "eyes", "eyelids")}
        return rest, rest.replace(**moving)


def spoken_crops(head: Head, number: int) -> Crops:
    return made_crops(head, SHARD, number, faces=Spoken(head, number))


if __name__ == "__main__":
    head, first = load_head(), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    write_numbered(sys.argv[1], "crops", lambda n: spoken_crops(head, n), int(sys.argv[2]), first=first)
