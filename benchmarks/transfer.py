"""A spoken clip to another head and back: what is lost on the way.

    python benchmarks/transfer.py [--emotions neutral,happy:0.9] [--heads ict,flame]

The bundled voice is animated on the default head, moved to ICT-FaceKit (../shared/data) and to a FLAME-sized head that
`learn` made of the default head's people, and moved back. Errors are those of the face's vertices (region "face", neck
and head still) and of the central inner-lip gaps as animate.metrics measures them. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ICT = ROOT.parent / "shared" / "data" / "heads" / "ict_facekit.npz"


def heads(names: list[str]) -> dict:
    from flame_tools import Head, load_head

    found = {}
    if "ict" in names and ICT.exists():
        found["ict"] = load_head(ICT)
    if "flame" in names:
        from tools.learn_flame_sized import flame_sized

        found["flame"] = Head(flame_sized(seed=0))
    return found


def closed(gaps: np.ndarray) -> np.ndarray:
    """Frames [T] in which the lips are shut."""
    from flame_tools.lips import CLOSED_MM

    return (np.abs(gaps) <= CLOSED_MM).all(1)


def round_trip(track, default, other) -> dict:
    """Figures of default -> other -> default."""
    from flame_tools.lips import Lips
    from flame_tools.transfer.retarget import transfer

    start = time.perf_counter()
    there = transfer(track, default, other)
    middle = time.perf_counter()
    back = transfer(there, other, default)
    end = time.perf_counter()
    face = default.only(default.region("face"))

    def still(params):
        zero = 0 * params.neck
        return params.replace(neck=zero, global_rotation=zero, translation=zero)

    error = 1e3 * np.linalg.norm(
        (face.vertices(still(track.params)) - face.vertices(still(back.params))).numpy(), axis=-1
    )
    lips, others = Lips(default, track.params.shape), Lips(other, there.params.shape)
    before, between, after = lips.gaps_mm(track.params), others.gaps_mm(there.params), lips.gaps_mm(back.params)
    shut = closed(before)
    return {
        "mean_face_error_mm": float(error.mean()),
        "p95_face_error_mm": float(np.percentile(error, 95)),
        "lip_gap_error_mm": float(np.abs(before - after).mean()),
        "p95_lip_gap_error_mm": float(np.percentile(np.abs(before - after), 95)),
        "shut_there": float(closed(between)[shut].mean()),
        "shut_back": float(closed(after)[shut].mean()),
        "shut_falsely_there": float(closed(between)[~shut].mean()),
        "residual_there_mm": there.provenance["transfer"]["residual_mm"],
        "residual_back_mm": back.provenance["transfer"]["residual_mm"],
        "seconds_there": middle - start,
        "seconds_back": end - middle,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emotions", default="neutral,happy:0.9,disgusted:0.9")
    parser.add_argument("--heads", default="ict,flame")
    options = parser.parse_args()

    import emberface
    from assets.locate import asset_path
    from flame_tools import load_head

    default = load_head()
    text = asset_path("voice_text").read_text().strip()
    others = heads(options.heads.split(","))
    result: dict = {}
    for emotion in options.emotions.split(","):
        track = emberface.animate(
            asset_path("voice"), text=text, emotion=None if emotion == "neutral" else emotion, head=default
        )
        for name, other in others.items():
            figures = {k: round(v, 4) for k, v in round_trip(track, default, other).items()}
            word = emotion.split(":")[0]
            print(f"default -> {name} -> default, {word}, {len(track)} frames: {figures}")
            prefix = f"{name}_" if word == "neutral" else f"{name}_{word}_"
            result |= {prefix + key: value for key, value in figures.items()}
    print(json.dumps(result))


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT))
    main()
