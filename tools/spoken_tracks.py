"""Performances for the made films that the temporal head learns from: other voices, moods and networks each.

python -m tools.spoken_tracks OUT FOLDER [FOLDER ...] [--count 48]

Files 000.face.npz, ... of recordings of at least 4 s (FLAC or WAV) from the folders, drawn by chance, at most 12 s of
each, said at 60 frames a second. For `python -m recon.synthetic.sequences --performances OUT`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile

import emberface

MOODS = ("neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted")
MODELS = ("motion", "flow", "keys")
LEAST_S, MOST_S, FPS = 4, 12, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=48)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    files = [
        file
        for folder in options.folders
        for file in sorted(map(str, folder.rglob("*")))
        if file[-4:] in ("flac", ".wav")
    ]
    rng = np.random.default_rng(0)
    rng.shuffle(files)
    done = 0
    for number, file in enumerate(files):
        samples, rate = soundfile.read(file)
        if done == options.count or len(samples) <= LEAST_S * rate:
            continue
        mood = MOODS[int(rng.integers(len(MOODS)))]
        track = emberface.animate(
            samples[: MOST_S * rate].T, rate, fps=FPS, seed=number, model=MODELS[number % len(MODELS)],
            emotion=None if mood == "neutral" else f"{mood}:{rng.uniform(0.3, 0.9):.2f}",
        )  # fmt: skip
        emberface.export(track, options.out / f"{done:03d}.face.npz")
        done += 1


if __name__ == "__main__":
    main()
