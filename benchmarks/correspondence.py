"""How true the correspondence between two heads is, in millimetres by region.

    python benchmarks/correspondence.py [--ict ../shared/data/heads/ict_facekit.npz]

Prints one JSON object: `true_mm`, against people of the default head on another triangulation, whose places are known
(the second figure of a region is the 95th percentile); `noisy_mm`, the same led by 68 landmarks that are 1.2 mm off;
with ICT-FaceKit `cycle_mm`, default to ICT to default; `held_out_mm`, landmarks of ICT that did not lead; `carried_mm`,
what poses of the default head lose by going to ICT and back as offsets alone; and the seconds of one registration.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flame_tools import HeadArrays, arkit, load_head
from flame_tools.surface import overlay
from flame_tools.surface.correspondence import correspond
from flame_tools.surface.head_parts import SKIN, parts_of
from flame_tools.surface.nearest import Surface
from flame_tools.surface.registration import on_mesh
from flame_tools.types import Embedding
from tests.flame_tools.surface.shapes import someone, split_in_four

REGIONS = ("face", "lips", "left_lids", "nose", "ears", "scalp", "neck")
POSES = ("jawOpen", "eyeBlinkLeft", "mouthSmileLeft", "mouthPucker", "mouthFunnel", "mouthRollLower", "browInnerUp")
MIRRORED = ([30], [31, 35], [33], [36, 45], [39, 42], [48, 54], [50, 52], [51], [57], [60, 64], [62], [66])
MM = 1e3


def by_region(error_m: np.ndarray, head: HeadArrays) -> dict[str, list[float]]:
    """Median and 95th percentile in millimetres; errors [..., V]."""
    return {
        name: [round(float(MM * q), 3) for q in np.percentile(error_m[..., head.regions[name]], [50, 95])]
        for name in REGIONS
    }


def led_astray(head: HeadArrays, seed: int, noise_m: float = 1.2e-3) -> HeadArrays:
    """The head with its 68 landmarks pushed over its skin, and no others."""
    random = np.random.default_rng(seed)
    marks = on_mesh(head.v_template, head.faces, head.landmarks["68"])
    skin = Surface(head.v_template, head.faces, vertex_mask=parts_of(head) == SKIN)
    found = skin.nearest(marks + noise_m * random.normal(size=marks.shape))
    return dataclasses.replace(head, landmarks={"68": Embedding(found.faces, found.barycentrics)})


def known(head: HeadArrays, people: int, noisy: bool) -> dict[str, list[float]]:
    errors = []
    for seed in range(people):
        other, between = split_in_four(someone(head, seed))
        places = correspond(head, led_astray(other, seed) if noisy else other, cache=False)
        off = places.values(head.v_template) - head.v_template[between].mean(1)
        errors.append(np.linalg.norm(off, axis=1)[: len(head.v_template)])
    return by_region(np.array(errors), head)


def held_out(head: HeadArrays, ict: HeadArrays) -> dict[str, float]:
    """Where each landmark of the default head lands on ICT when it and its mirror image do not lead."""
    truth = on_mesh(ict.v_template, ict.faces, ict.landmarks["68"])
    leading, errors = list(overlay.LEADING), {}
    for group in MIRRORED:
        overlay.LEADING[:] = [mark for mark in leading if mark not in group]
        found = correspond(ict, head, cache=False).values(ict.v_template)
        off = on_mesh(found, head.faces, head.landmarks["68"]) - truth
        errors |= {str(mark): round(float(MM * np.linalg.norm(off[mark])), 2) for mark in group}
    overlay.LEADING[:] = leading
    return {"median": round(float(np.median(list(errors.values()))), 2), **errors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ict", type=Path)
    parser.add_argument("--people", type=int, default=4)
    options = parser.parse_args()
    head = load_head()
    own = head.arrays
    report = {"true_mm": known(own, options.people, False), "noisy_mm": known(own, options.people, True)}
    if options.ict:
        ict = load_head(options.ict).arrays
        start = time.perf_counter()
        there = correspond(own, ict, cache=False)
        report["seconds"] = round(time.perf_counter() - start, 2)
        back = correspond(ict, own, cache=False)
        off = back.values(there.values(own.v_template)) - own.v_template
        report["cycle_mm"] = by_region(np.linalg.norm(off, axis=-1), own)
        weights = torch.eye(52)[[arkit.INDEX[name] for name in POSES]]
        offsets = head.vertices(arkit.to_params(weights, head)).numpy() - own.v_template
        lost = back.carry(there.carry(offsets)) - offsets
        report["carried_mm"] = by_region(np.linalg.norm(lost, axis=-1), own)
        report["held_out_mm"] = held_out(own, ict)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
