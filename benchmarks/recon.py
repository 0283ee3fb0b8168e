"""Fit the portraits of ../shared/data/faces and the bundled one: held-out error and seconds, as JSON on the last line.

    python benchmarks/recon.py

`seconds_*` is a whole process of `emberface recon`, imports and output files included; the machine should be idle.
NME is the design's: half of the landmarks fitted, the other half scored, over the projected distance of the eye joints.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from assets.locate import asset_path

FACES = Path(__file__).resolve().parents[1] / "../shared/data/faces"


def main() -> None:
    figures = {}
    photos = sorted([*FACES.glob("*.png"), *FACES.glob("*.jpg")]) or [asset_path("astronaut")]
    with tempfile.TemporaryDirectory() as folder:
        for photo in photos:
            start = time.perf_counter()
            command = [sys.executable, "-m", "emberface", "recon", str(photo), "-o", f"{folder}/{photo.stem}", "--json"]
            quality = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["quality"]
            figures[f"seconds_{photo.stem}"] = round(time.perf_counter() - start, 2)
            figures[f"nme_468_{photo.stem}"] = quality["nme_468"]
            figures[f"nme_68_{photo.stem}"] = quality["nme_68"]
            print(photo.name, figures[f"seconds_{photo.stem}"], quality["nme_468"])
    figures["nme_468_worst"] = max(v for k, v in figures.items() if k.startswith("nme_468_"))
    figures["seconds_worst"] = max(v for k, v in figures.items() if k.startswith("seconds_"))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
