"""Reconstructions of made people by groups: skin tone, yaw, occlusion, kind of expression. Writes what tables take.

    python benchmarks/recon_groups.py --pictures 24 -o FOLDER

Made people (recon.synthetic) are drawn under random light and cameras, every third picture partly covered, and
reconstructed. FOLDER then holds predictions, truths, scans of the people at rest with their seven landmarks, the
manifests `scans.csv` and `faces.csv`, and the tables of `emberface eval table` on them: `scan.md`, `expression.md`,
`lips.md`. The people are of the bundled head's own space: real faces are farther off. On the last line, in JSON: the
seconds and the figures of all pictures.
"""

import argparse
import contextlib
import csv
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import trimesh  # noqa: E402

from emberface_cli import run  # noqa: E402
from flame_tools import FaceError, load_head, save_track  # noqa: E402
from flame_tools.posing import still  # noqa: E402
from flame_tools.types import Track  # noqa: E402
from recon.evaluation.inputs import mesh_of_track  # noqa: E402
from recon.pipeline import reconstruct  # noqa: E402
from recon.synthetic.expressions import EXPRESSIONS, posed  # noqa: E402
from recon.synthetic.occluders import covered  # noqa: E402
from recon.synthetic.people import random_person  # noqa: E402
from recon.synthetic.pictures import picture_of  # noqa: E402
from recon.synthetic.scenes import random_scene  # noqa: E402

TABLES = {
    "scan": ("scans.csv", "--at-rest", "--regions", "--non-rigid"),
    "expression": ("faces.csv",),
    "lips": ("faces.csv",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--size", type=int, default=384, help="pixels a side")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    begun, head = time.perf_counter(), load_head()
    rows = []
    for number in range(options.pictures):
        rows.append(made(number, head, options))
        print(f"{number + 1} pictures, {time.perf_counter() - begun:.0f} s", flush=True)
    for name, more in (("scans", ("landmarks", "unit")), ("faces", ())):
        columns = ["prediction", "truth", *more, "subject", "skin_tone", "yaw", "covered", "expression"]
        with open(options.out / f"{name}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(row | {"truth": row["scan" if name == "scans" else "face"]} for row in rows)
    figures = {}
    for measure, (manifest, *flags) in TABLES.items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            table = ["eval", "table", str(options.out / manifest), "--measure", measure, *flags, "--json"]
            if run([*table, "-o", str(options.out / f"{measure}.md")]):
                raise SystemExit(2)
        every = json.loads(said.getvalue())["groups"][0]
        figures |= {f"{measure}_{name}": one["mean"] for name, one in every["figures"].items() if one}
    print(json.dumps({"seconds": round(time.perf_counter() - begun, 1), **figures}))


def made(number: int, head, options) -> dict:
    """One row: a picture drawn, reconstructed, and its truth written."""
    rng = np.random.default_rng([7, number])
    person, expression = random_person(head.arrays, rng), EXPRESSIONS[number % len(EXPRESSIONS)]
    scene = random_scene(rng, size=options.size)
    picture = picture_of(head, person, expression, scene)
    image = covered(picture.image, picture.truth.landmarks, rng) if number % 3 == 2 else picture.image
    name, params = f"{number:03d}", posed(expression, head, person.shape)
    frame = params.map(lambda value: value[None]).replace(shape=params.shape)
    save_track(Track(head.arrays.id, frame, np.zeros(1)), options.out / f"{name}.true.face.npz")
    rest = mesh_of_track(still(head, torch.as_tensor(person.shape)), head)
    front = rest.vertices[rest.faces].mean(1)[:, 2] > rest.marks[:, 2].min() - 70
    trimesh.Trimesh(rest.vertices, rest.faces[front], process=False).export(options.out / f"{name}.ply")
    np.save(options.out / f"{name}.npy", rest.marks)
    prediction = f"{name}.face.npz"
    try:
        save_track(reconstruct(image, head)[0], options.out / prediction)
    except FaceError:  # nothing was found: counted as missing
        prediction = ""
    light = np.mean(person.complexion)
    return {
        "prediction": prediction,
        "face": f"{name}.true.face.npz",
        "scan": f"{name}.ply",
        "landmarks": f"{name}.npy",
        "unit": "mm",
        "subject": name,
        "skin_tone": "dark" if light < 100 else "medium" if light < 150 else "light",
        "yaw": round(scene.yaw_deg, 1),
        "covered": "yes" if (image != picture.image).any() else "no",
        "expression": expression.kind,
    }


if __name__ == "__main__":
    main()
