"""Fit the portraits of ../shared/data/faces and the bundled one: held-out error and seconds, as JSON on the last line.

    python benchmarks/recon.py

`seconds_*` is a whole process of `emberface recon`, imports and output file included; the machine should be idle.
`cpu_seconds_*` is what it keeps processors busy for, which others' work disturbs less.
NME is the design's: half of the landmarks fitted, the other half scored, over the projected distance of the eye joints.
`nme_468_refined_*` is that of the fit once it is refined by shading.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from assets.locate import asset_path  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from recon.fitting.evaluate import errors, halves  # noqa: E402
from recon.fitting.fit import fit  # noqa: E402
from recon.fitting.observation import View  # noqa: E402
from recon.fitting.photometric import refine  # noqa: E402
from recon.pipeline import faces_in, landmark_model, network_for, observe  # noqa: E402
from render.image import read_image  # noqa: E402

FACES = ROOT / "../shared/data/faces"


def main() -> None:
    figures = {}
    photos = sorted([*FACES.glob("*.png"), *FACES.glob("*.jpg")]) or [asset_path("astronaut")]
    with tempfile.TemporaryDirectory() as folder:
        for photo in photos:
            start, used = time.perf_counter(), cpu_seconds()
            place = f"{folder}/{photo.stem}.glb"
            command = [sys.executable, "-m", "emberface", "recon", str(photo), "-o", place, "--json"]
            quality = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["quality"]
            figures[f"seconds_{photo.stem}"] = round(time.perf_counter() - start, 2)
            figures[f"cpu_seconds_{photo.stem}"] = round(cpu_seconds() - used, 2)
            figures[f"nme_468_{photo.stem}"] = quality["nme_468"]
            figures[f"nme_68_{photo.stem}"] = quality["nme_68"]
            figures[f"nme_468_refined_{photo.stem}"] = refined_error(photo)
            print(photo.name, figures[f"seconds_{photo.stem}"], quality["nme_468"])
    figures["nme_468_worst"] = max(v for k, v in figures.items() if k.startswith("nme_468_"))
    figures["seconds_worst"] = max(v for k, v in figures.items() if k.startswith("seconds_"))
    print(json.dumps(figures))


def cpu_seconds() -> float:
    """Of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def refined_error(photo: Path) -> float:
    """Mean error at landmarks that were left out of a fit and of its refinement."""
    image, head = read_image(photo), load_head().arrays
    model, left_out = landmark_model(head), np.empty(468)
    seen = observe(image, faces_in(image)[0], View((image.shape[1], image.shape[0])), head, network_for(head.id))
    even, odd = halves()
    for use, score in ((even, odd), (odd, even)):
        half = seen.only(use)
        (found,) = refine(head, model, [image], [half], [fit(head, model, half)]).fits
        left_out[score] = errors(found, seen.landmarks)[score]
    return round(float(left_out.mean()), 5)


if __name__ == "__main__":
    main()
