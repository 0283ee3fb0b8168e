"""Fit raw scans of ICT-FaceKit's people and of our own, and registered meshes: JSON on the last line.

    python benchmarks/scan_fit.py

A scan is a random person with 0.25 mm of noise in each axis (0.17 mm off the surface in the median), twelve holes, no
back of the head and no lower neck, as a mesh or as points, in a random unit and orientation. `median_mm`: the scan's
own noisy points on the face to the fitted head; `true_mm`: the surface before the noise. `_offsets`: with the free-form
field. All seconds are of the fit alone, in one process.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flame_tools.identity import random_identities  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.surface.alignment import align  # noqa: E402
from flame_tools.surface.nearest import Surface  # noqa: E402
from flame_tools.types import FaceParams  # noqa: E402
from recon.scan.pipeline import fit_scans  # noqa: E402
from recon.scan.placing import UNITS  # noqa: E402
from recon.scan.registered import fit_registered  # noqa: E402
from recon.stabilise import errors_of, stabilise  # noqa: E402
from tests.recon.scan.made_scans import exposed, ict_identity, scanned, turned, visible  # noqa: E402
from tests.recon.scan.test_registered import people  # noqa: E402
from tests.recon.test_stabilise import performance  # noqa: E402

ICT = ROOT / "../shared/data/heads/ict_facekit.npz"
PEOPLE = 6


def main() -> None:
    head = load_head()
    fit_scans([_scan(*_own(head, 0), seed=99)[0]], head)  # compiles the kernels
    figures = {}
    faces = [("own", [_own(head, seed) for seed in range(3)])]
    if ICT.exists():
        with np.load(ICT, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        faces.append(("ict", [ict_identity(data, seed) for seed in range(PEOPLE)]))
    for name, everyone in faces:
        for kind in ("", "_half", "_offsets"):
            rows = [_fit(head, face, seed, kind) for seed, face in enumerate(everyone)]
            for key in ("median_mm", "true_mm", "p90_mm", "seconds"):
                values = [row[key] for row in rows]
                figures[f"{name}{kind}_{key}"] = round(float(np.mean(values)), 3)
                figures[f"{name}{kind}_{key}_worst"] = round(float(np.max(values)), 3)
    params = people(head, 1, seed=7)
    start = time.perf_counter()
    meshes = head.vertices(params).numpy()
    found = fit_registered(meshes, head)
    figures["registered_seconds"] = round(time.perf_counter() - start, 2)
    figures["registered_max_m"] = float(np.abs(head.vertices(found.params).numpy() - meshes).max())
    params = performance(head, 6, seed=8)
    meshes = head.vertices(params).numpy() + np.random.default_rng(8).normal(size=(6, len(head.v_template), 3)) * 2e-4
    start = time.perf_counter()
    figures |= {f"stabilise_{k}": v for k, v in errors_of(stabilise(meshes, head), meshes, params, head).items()}
    figures["stabilise_seconds"] = round(time.perf_counter() - start, 2)
    print(json.dumps(figures))


def _own(head, seed: int) -> tuple[np.ndarray, np.ndarray]:
    params = FaceParams.neutral(head).replace(shape=random_identities(head, 6, seed=11)[seed])
    with torch.no_grad():
        vertices = head.vertices(params).numpy().astype(np.float64)
    faces = head.arrays.faces[exposed(head.arrays)]
    return vertices, faces[visible(vertices, faces)]


def _scan(vertices, faces, *, seed: int, half: bool = False):
    per_metre = [1 / metres for metres in UNITS.values()][seed % len(UNITS)]
    rotation = turned(np.random.default_rng(seed + 100))
    return scanned(vertices, faces, seed=seed, half=half, cloud=seed % 2 == 1, per_metre=per_metre, rotation=rotation)


def _fit(head, face, seed: int, kind: str) -> dict:
    scan, clean = _scan(*face, seed=seed, half=kind == "_half")
    start = time.perf_counter()
    found = fit_scans([scan], head, offsets=kind == "_offsets")
    seconds = time.perf_counter() - start
    quality, facts = found.track.provenance["quality"], found.track.provenance["scans"][0]
    to_head = np.array(facts["to_head"])
    true = align(clean, scan.vertices @ to_head[:3, :3].T + to_head[:3, 3], kind="rigid")(clean)
    on_face = np.isin(head.arrays.faces, head.arrays.regions["face"]).all(1)
    nearest = Surface(found.vertices[0], head.arrays.faces).nearest(true)
    counted = on_face[nearest.faces] & (nearest.distance < 0.02)
    row = {
        "median_mm": quality["scan_median_mm"],
        "p90_mm": quality["scan_p90_mm"],
        "true_mm": 1000 * float(np.median(nearest.distance[counted])),
        "seconds": seconds,
    }
    unit = facts["unit"]
    print(f"{kind or 'whole'} {seed}", unit, {k: round(v, 3) for k, v in row.items()}, flush=True)
    return row


if __name__ == "__main__":
    main()
