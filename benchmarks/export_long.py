"""Exports of long clips: seconds, megabytes and peak memory of each format. Prints one JSON object last.

    python benchmarks/export_long.py [--only glb,fbx,...] [--clips 60_s_at_60,10000_frames] [--blender PYTHON_WITH_BPY]

Two clips of the default head that talks, nods, looks about and blinks: 60 s at 60 frames a second, and 10,000 frames.
A process of its own writes each, so that peaks of memory are its own; `grown_mb` is what a format holds beyond what a
clip of 60 frames takes: about 0 where memory is flat. Sequences take gigabytes in the temporary folder, one at a time.
Alembic is written where `--blender` names a Python with bpy, whose memory counts too.
"""

from __future__ import annotations

import argparse
import functools
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

FPS = 60
SHORT = 60
CLIPS = {"60_s_at_60": 3600, "10000_frames": 10_000}


def talking(head, frames: int):
    """A textured head that speaks, smiles, nods, looks about and blinks."""
    from flame_tools.types import Appearance, FaceParams, Track

    rest = FaceParams.neutral(head, 1)
    params = rest.map(lambda value: value.expand(frames, *value.shape[1:]).clone()).replace(shape=rest.shape[0])
    time_s = torch.arange(frames) / FPS
    params.jaw[:, 0] = 0.1 * (1 + torch.sin(9 * time_s))
    params.neck[:, 1] = 0.2 * torch.sin(1.3 * time_s)
    params.eyes[:, :, 1] = 0.2 * torch.sin(0.7 * time_s)[:, None]
    params.eyelids[:] = (torch.sin(2 * time_s) > 0.97).float()[:, None]
    speeds = 1 + torch.arange(head.expression_size) / 3
    params.expression[:] = 0.25 * (1 + torch.sin(time_s[:, None] * speeds))
    albedo = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    times = np.arange(frames) / FPS
    return Track(head.arrays.id, params, times, fps=(FPS, 1), appearance=Appearance(albedo=albedo))


def writers(blender: str | None) -> dict:
    from flame_tools.export import WRITERS, write_ply_sequence
    from flame_tools.export.alembic import write_alembic
    from flame_tools.track_file import save_track

    left_out = (".ply", ".stl", ".visemes.json")  # one frame, one frame, and no frame at all
    found = {ending.lstrip(".") or "obj": write for ending, write in WRITERS.items() if ending not in left_out}
    found |= {"ply_sequence": write_ply_sequence, "face.npz": lambda track, head, path: save_track(track, path)}
    return found | ({"abc": functools.partial(write_alembic, blender=blender)} if blender else {})


def peak_mb(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def one(kind: str, frames: int, blender: str | None) -> dict[str, float]:
    """Seconds, processor seconds, size and peak memory of one file or folder, in this process."""
    from flame_tools.load import load_head

    head = load_head()
    write = writers(blender)[kind]
    with tempfile.TemporaryDirectory() as folder:
        track = talking(head, frames)
        path = Path(folder, f"x.{kind}" if "_" not in kind and kind != "obj" else kind)
        start, busy = time.perf_counter(), time.process_time()
        write(track, head, path)
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
        files = list(path.iterdir()) if path.is_dir() else [path]
        size = sum(file.stat().st_size for file in files)
    peaks = [peak_mb(resource.RUSAGE_SELF), peak_mb(resource.RUSAGE_CHILDREN)]
    return {"s": round(seconds, 2), "cpu_s": round(cpu, 2), "mb": round(size / 1e6, 2), "peak_mb": round(max(peaks))}


def in_a_child(kind: str, frames: int, blender: str | None) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", kind, "--frames", str(frames)]
    command += ["--blender", blender] if blender else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="formats, with commas between")
    parser.add_argument("--clips", default=",".join(CLIPS), help="clips, with commas between")
    parser.add_argument("--blender")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(one(asked.child, asked.frames, asked.blender)))
        return
    kinds = asked.only.split(",") if asked.only else list(writers(asked.blender))
    report = {}
    for kind in kinds:
        short = in_a_child(kind, SHORT, asked.blender)
        report[kind] = {}
        for clip in asked.clips.split(","):
            row = in_a_child(kind, CLIPS[clip], asked.blender)
            report[kind][clip] = row = row | {"grown_mb": row["peak_mb"] - short["peak_mb"]}
            print(f"{kind:14s}{clip:14s}" + "".join(f"{value:10.2f} {name}" for name, value in row.items()), flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
