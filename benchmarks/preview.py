"""Films: seconds for ten of them, and memory that does not grow with the frames. Prints one JSON object last.

    python benchmarks/preview.py [--size 512] [--skip-memory]

A child process draws and encodes each film, so that peaks of memory are its own. `cpu_s` is the time of all threads.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FPS = 30


def talking(head, frames: int):
    """A head that speaks, nods, looks about and blinks."""
    from flame_tools.types import FaceParams, Track

    still = FaceParams.neutral(head, 1)
    time_s = torch.arange(frames) / FPS
    grown = still.map(lambda value: value.expand(frames, *value.shape[1:]).clone()).replace(
        shape=still.shape.reshape(-1)
    )
    grown.jaw[:, 0] = 0.1 * (1 + torch.sin(9 * time_s))
    grown.neck[:, 1] = 0.2 * torch.sin(1.3 * time_s)
    grown.eyelids[:] = (torch.sin(2 * time_s) > 0.97).float()[:, None]
    return Track(head.arrays.id, grown, time_s.double().numpy(), fps=(FPS, 1))


def film_of(frames: int, size: int, ending: str, options: dict) -> dict[str, float]:
    """Seconds, processor seconds and peak memory of one film, in this process."""
    import emberface
    from flame_tools.load import load_head

    head = load_head()
    with tempfile.TemporaryDirectory() as folder:
        emberface.render(talking(head, 4), Path(folder) / f"warm{ending}", head=head, size=(size, size), **options)
        track = talking(head, frames)
        start, busy = time.perf_counter(), time.process_time()
        emberface.render(track, Path(folder) / f"film{ending}", head=head, size=(size, size), **options)
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
        written = (Path(folder) / f"film{ending}").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    return {"s": seconds, "cpu_s": cpu, "peak_mb": peak, "file_mb": written / 1e6}


def in_a_child(frames: int, size: int, ending: str = ".mp4", **options) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", json.dumps([frames, size, ending, options])]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(found.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(film_of(*json.loads(asked.child))))
        return
    frames = 10 * FPS
    kinds = {
        "film_10s": (".mp4", {}),
        "wireframe_10s": (".mp4", {"wireframe": True}),
        "sheet_10s": (".mp4", {"view": "sheet"}),
        "gif_10s": (".gif", {}),
        "webp_10s": (".webp", {}),
    }
    figures: dict[str, float] = {"size": asked.size, "threads": torch.get_num_threads()}
    for name, (ending, options) in kinds.items():
        found = in_a_child(frames, asked.size, ending, **options)
        figures |= {f"{name}_{key}": round(value, 2) for key, value in found.items()}
        print(f"{name:16} {found['s']:6.1f} s, {found['cpu_s']:6.1f} s of processors, {found['peak_mb']:6.0f} MB")
    if not asked.skip_memory:
        few, many = (in_a_child(count, asked.size)["peak_mb"] for count in (300, 1000))
        figures |= {"peak_mb_300": round(few), "peak_mb_1000": round(many), "growth_mb": round(many - few, 1)}
        print(f"peak memory: {few:.0f} MB for 300 frames, {many:.0f} MB for 1000")
    assert np.isfinite([v for v in figures.values()]).all()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
