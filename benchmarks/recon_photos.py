"""Fit every face of a folder of photographs: held-out error and seconds, as JSON on the last line.

    python benchmarks/recon_photos.py FOLDER [--sheet FILE.png]

Pictures that are the same bytes count once. NME is the design's: half of the landmarks fitted, the other half scored.
The sheet has each face, the head over it, and the same person at rest.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flame_tools.errors import FaceError  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.posing import posed_frames, still  # noqa: E402
from recon.pipeline import reconstruct  # noqa: E402
from render.camera import at_frame, portrait_camera, project  # noqa: E402
from render.image import read_image, write_png  # noqa: E402
from render.preview import contact_sheet, draw, draw_rgba, head_bounds  # noqa: E402

TILE = 240  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    head, tiles, errors, seconds, unread = load_head(), [], [], [], 0
    photos = {hashlib.sha256(path.read_bytes()).digest(): path for path in pictures(options.folder)}
    for path in photos.values():
        image, start = read_image(path), time.perf_counter()
        try:
            tracks = reconstruct(image, head, all_faces=True)
        except FaceError as error:
            print(f"{path.name}: {error}")
            unread += 1
            continue
        seconds.append((time.perf_counter() - start) / len(tracks))
        found = [track.provenance["quality"]["nme_468"] for track in tracks]
        errors += found
        print(path.name, *(f"{100 * error:.2f} %" for error in found), flush=True)
        if options.sheet:
            tiles += [tile(image, track, head) for track in tracks]
    if not errors:
        sys.exit(f"no face was read in {options.folder}")
    if tiles:
        write_png(options.sheet, contact_sheet(tiles, 3, [""] * len(tiles)))
    low, median, high = np.percentile(errors, (10, 50, 90))
    figures = {
        "photos": len(photos),
        "unread": unread,
        "faces": len(errors),
        "nme_468_p10": low,
        "nme_468_median": median,
    }
    figures |= {"nme_468_median": median, "nme_468_p90": high, "share_under_2_5": np.mean(np.array(errors) < 0.025)}
    figures["seconds_per_face"] = np.median(seconds)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


def pictures(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")]


def tile(image: np.ndarray, track, head) -> np.ndarray:
    """[TILE, 3 TILE, 3] the face, the head over it, and the person at rest."""
    (vertices,), camera, albedo = posed_frames(track, head), at_frame(track.camera, 0), track.appearance.albedo
    drawn = draw_rgba(head, vertices, camera, albedo=albedo).astype(float)
    share = drawn[..., 3:] / 255
    pixels = project(vertices, camera)[:, :2]
    middle, reach = (pixels.min(0) + pixels.max(0)) / 2, 0.6 * np.ptp(pixels, 0).max()
    box = [int(value) for value in (*(middle - reach), *(middle + reach))]
    over = (image * (1 - share) + drawn[..., :3] * share).astype(np.uint8)
    cut = [np.asarray(Image.fromarray(part).crop(box).resize((TILE, TILE))) for part in (image, over)]
    (rest,) = posed_frames(still(head, track.params.shape), head)
    view = portrait_camera((TILE, TILE), head_bounds(head, rest), yaw_deg=20)
    return np.concatenate([*cut, draw(head, rest, view, albedo=albedo)], 1)


if __name__ == "__main__":
    main()
