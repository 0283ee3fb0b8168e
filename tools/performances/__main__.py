"""Build the corpus of performances: the teacher's takes on the speech corpus, heard by a speech encoder.

python -m tools.performances takes FOLDER [--share I/N]        hours of motion, the sound beside it
python -m tools.performances hear FOLDER SHARDS ENCODER.npz    their features: the shards that trainings take

The speech corpus (tools.speech_corpus) comes first. Running `takes` again goes on where it stopped. With --share 0/2
and 1/2 two processes do half of either step each, and it comes to the same. `hear` plays the versions of a sound in a
room, with noise or through a codec, all but the first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from animate.corpus import Clip, write_shards
from animate.encoder.corpus import corpus_folder, load_corpus
from animate.encoder.data import AugmentConfig, Item, coloured
from animate.encoder.weights import load_weights
from animate.encoders import EmberfaceSpeech
from flame_tools.archive import read_npz, write_npz
from flame_tools.load import load_head
from tools.performances.takes import FPS, Takes, takes

PARTS = ("aligned", "recognised", "synthetic")
SOUNDS, FEELINGS = 3, 2  # versions of each sound, performances of each version
_KIND, _VERSION = "emberface-takes", 1
_ROWS = ("samples", "motion", "emotion", "phones")
# How often the first version of a sound is changed, and the others.
_LOUD = AugmentConfig(0, 0, 0.4, 0.25, 0.4, 0.12)


def make(folder: Path, share: tuple[int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = load_head("default")
    learnt, kept = load_corpus([corpus_folder() / part for part in PARTS])
    for spoken in sorted(learnt + kept, key=lambda u: u.name)[share[0] :: share[1]]:
        done = folder / f"{spoken.name}.done"
        if done.is_file():
            continue
        for made in takes(spoken, head, sounds=SOUNDS, feelings=FEELINGS):
            header = {
                "format": _KIND, "version": _VERSION, "speaker": made.speaker, "name": made.name,
                "held_out": spoken.held_out, "head_id": head.arrays.id,
            }  # fmt: skip
            write_npz(folder / f"{made.name}.npz", {row: getattr(made, row) for row in _ROWS}, header)
        done.touch()


def heard(folder: Path, encoder: EmberfaceSpeech, held_out: bool, share: tuple[int, int]) -> Iterator[Clip]:
    learnt, _ = load_corpus([corpus_folder() / part for part in PARTS])
    pool = [Item(spoken, np.zeros(1), np.zeros(1)) for spoken in learnt]
    for number, path in list(enumerate(sorted(folder.glob("[!.]*.npz"))))[share[0] :: share[1]]:
        arrays, header = read_npz(path, _KIND, _VERSION)
        if header["held_out"] != held_out:
            continue
        made = Takes(**arrays, speaker=header["speaker"], name=header["name"])
        sound = made.samples.astype(np.float32) / 32768
        if not made.name.endswith("-0") and not held_out:
            sound, _ = coloured(sound, pool, _LOUD, np.random.default_rng((1, number)))
        features = encoder.features(sound, FPS).astype(np.float16)
        for take, (motion, emotion) in enumerate(zip(made.motion, made.emotion, strict=True)):
            count = min(len(features), len(motion))
            rows = (features[:count], motion[:count], emotion[:count], made.phones[:count])
            yield Clip(*rows, made.speaker, f"{made.name}-{take}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("takes", "hear"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("shards", type=Path, nargs="?")
    parser.add_argument("encoder", type=Path, nargs="?")
    parser.add_argument("--share", default="0/1")
    options = parser.parse_args()
    share = tuple(int(x) for x in options.share.split("/"))
    if options.step == "takes":
        make(options.folder, share)
        return
    encoder = EmberfaceSpeech(load_weights(options.encoder))
    said = {"fps": FPS, "head_id": "default", "encoder": encoder.name, "share": f"{share[0]}-"}
    counts = {
        name: write_shards(heard(options.folder, encoder, held_out, share), options.shards / name, **said)
        for name, held_out in (("learnt", False), ("kept", True))
    }
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
