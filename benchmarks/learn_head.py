"""How well learnt heads say people and expressions that they have not seen, in millimetres by number of components.

    python benchmarks/learn_head.py                                   # people of the default head
    python benchmarks/learn_head.py --ict ../shared/data/heads/ict_facekit.npz

Prints one JSON object: per source `identity_mm` and `expression_mm` by the number of components (0 is the mean face,
and jaw and eyes alone), and `still_mm`, expressions against the same people at rest.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flame_tools import Head, HeadArrays, load_head
from flame_tools.characters.ict import CM, read_ict
from flame_tools.characters.ict_files import OVERLAYS as KEPT
from flame_tools.characters.ict_files import read_model
from flame_tools.identity import random_identities
from flame_tools.learn.head import NEUTRAL, Scans, learn_head
from flame_tools.learn.held_out import held_out
from flame_tools.surface.lod import simplify
from tools.learn_flame_sized import FLAME_TRIANGLES, flame_sized, perform


def ict_scans(path: Path, people: int, frames: int, seed: int, *, vertices: np.ndarray | slice = slice(None)) -> Scans:
    """ICT-FaceKit as if it had been scanned: random people, each at rest and in mixes of its sculpted shapes.

    Every scan stands a little elsewhere, as people do who do not hold still.
    """
    from scipy.spatial.transform import Rotation

    random = np.random.default_rng(seed)
    model = read_model(path)
    neutral = CM * model.neutral[:KEPT][vertices].astype(np.float64)
    identity = CM * model.identity[:, :KEPT][:, vertices].astype(np.float64)
    shapes = CM * np.stack(list(model.expression.values()))[:, :KEPT][:, vertices].astype(np.float64)
    meshes, person, names = [], [], []
    for who in range(people):
        face = neutral + np.tensordot(random.normal(size=len(identity)), identity, 1)
        for frame in range(frames + 1):
            mixed = face
            if frame:
                chosen = random.choice(len(shapes), 4, replace=False)
                mixed = face + np.tensordot(random.uniform(0.2, 1.0, 4), shapes[chosen], 1)
            turn = Rotation.from_rotvec(random.normal(0.0, 0.05, 3)).as_matrix()
            meshes.append((mixed @ turn.T + random.normal(0.0, 0.01, 3)).astype(np.float32))
            person.append(who)
            names.append("mix" if frame else NEUTRAL)
    return Scans(np.stack(meshes), person, names)


def vertices_of(level: HeadArrays, arrays: HeadArrays) -> np.ndarray:
    """The vertices of `arrays` that a level of detail has kept."""

    def rows(a: HeadArrays) -> list[bytes]:
        return [row.tobytes() for row in np.concatenate([a.v_template, a.shapedirs[:, 0, :8]], 1)]

    place = {row: i for i, row in enumerate(rows(arrays))}
    return np.array([place[row] for row in rows(level)])


def of_ict(path: Path, people: int = 100) -> dict:
    full = read_ict(path)
    small = simplify(full, triangles=FLAME_TRIANGLES)
    kept = vertices_of(small, full)
    scans = ict_scans(path, people + 30, 12, 0, vertices=kept)
    rows = np.array(scans.person) < people
    seen, unseen = _split(scans, rows), _split(scans, ~rows)
    start = time.perf_counter()
    learnt = learn_head(seen, small, identity=100, expression=100, id="ict_learnt")
    return _report(learnt, unseen, time.perf_counter() - start, seen)


def of_default() -> dict:
    start = time.perf_counter()
    learnt = flame_sized()
    seconds = time.perf_counter() - start
    small = Head(simplify(load_head().arrays, triangles=FLAME_TRIANGLES))
    return _report(learnt, perform(small, random_identities(small, 30, 1000), 12, 1000), seconds, None)


def _split(scans: Scans, rows: np.ndarray) -> Scans:
    chosen = np.flatnonzero(rows)
    return Scans(scans.vertices[chosen], [scans.person[i] for i in chosen], [scans.expression[i] for i in chosen])


def _report(learnt: HeadArrays, unseen: Scans, seconds: float, seen: Scans | None) -> dict:
    found = {
        "vertices": len(learnt.v_template),
        "people": learnt.provenance["people"],
        "scans": learnt.provenance["scans"],
        "seconds": round(seconds, 2),
        **{k: _rounded(v) for k, v in asdict(held_out(learnt, unseen)).items()},
    }
    if seen is not None:
        found["seen"] = {k: _rounded(v) for k, v in asdict(held_out(learnt, seen)).items()}
    return found


def _rounded(value):
    return {k: round(v, 4) for k, v in value.items()} if isinstance(value, dict) else round(value, 4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ict", type=Path, help="ICT-FaceKit, as npz or its folder")
    options = parser.parse_args()
    found = {"default": of_default()} if options.ict is None else {"ict": of_ict(options.ict)}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
