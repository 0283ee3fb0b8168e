"""Learns a head of FLAME's size, FLAME's joints and unnamed components from performances of the default head.

    python tools/learn_flame_sized.py OUT.npz

About 5,200 vertices, identity and expression as principal components, lids within the expressions: what a published
FLAME model offers, without its licence. Tests and benchmarks use it where a FLAME file cannot be had.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flame_tools import Head, load_head, save_head
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.identity import random_identities
from flame_tools.learn.head import NEUTRAL, Scans, learn_head
from flame_tools.surface.lod import simplify
from flame_tools.types import HeadArrays

FLAME_TRIANGLES = 9976


def flame_sized(people: int = 100, frames: int = 16, *, identity: int = 80, expression: int = 80, seed: int = 0):
    """HeadArrays learnt from `people` people of the default head in `frames` expressions each."""
    small = simplify(load_head().arrays, triangles=FLAME_TRIANGLES)
    head = Head(small)
    scans = perform(head, random_identities(head, people, seed), frames, seed)
    bare = dataclasses.replace(small, id="flame_sized")
    learnt = learn_head(scans, bare, identity=identity, expression=expression, id="flame_sized", licence=small.licence)
    return dataclasses.replace(
        learnt,
        look_rad=np.zeros(4, np.float32),
        regions={k: v for k, v in small.regions.items() if not k.endswith("_margin")},
    )


def perform(head: Head, shapes: torch.Tensor, frames: int, seed: int) -> Scans:
    """Every person at rest and in `frames` random performances: a few ARKit shapes at a time, jaw, lids and glances."""
    random = np.random.default_rng(seed)
    meshes, person, names = [], [], []
    for who, shape in enumerate(shapes):
        weights = np.zeros((frames + 1, len(ARKIT_NAMES)))
        for row in weights[1:]:
            chosen = random.choice(len(ARKIT_NAMES), random.integers(2, 7), replace=False)
            row[chosen] = random.uniform(0.1, 1.0, len(chosen))
            row[INDEX["jawOpen"]] = random.choice([0.0, random.uniform(0.0, 1.0)])
            shut = random.uniform(0.0, 1.0) * (random.uniform() < 0.3)
            row[INDEX["eyeBlinkLeft"]] = row[INDEX["eyeBlinkRight"]] = shut
            for side in ("Left", "Right"):
                for ways in (("Up", "Down"), ("In", "Out")):
                    row[[INDEX[f"eyeLook{way}{side}"] for way in ways]] = 0.0
                    row[INDEX[f"eyeLook{random.choice(ways)}{side}"]] = random.uniform(0.0, 1.0)
        params = to_params(torch.as_tensor(weights, dtype=head.v_template.dtype), head).replace(shape=shape)
        with torch.no_grad():
            meshes.append(head.vertices(params).numpy())
        person += [who] * len(weights)
        names += [NEUTRAL] + ["performance"] * frames
    return Scans(np.concatenate(meshes), person, names)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    arrays: HeadArrays = flame_sized(seed=options.seed)
    save_head(arrays, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
