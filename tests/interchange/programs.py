"""The programs that open our files: where they are, how they are run, and who may go without them.

`tools/install_test_programs.sh` brings them. Without one, its tests are skipped, except where CI is set: they fail.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.interchange.performance import FRAMES

HERE = Path(__file__).parent
VENV = HERE.parents[1] / ".venv"


@dataclass(frozen=True)
class Program:
    """Something that runs, and where it comes from."""

    name: str
    path: str | None  # None where it is missing
    source: str
    arguments: tuple[str, ...] = ()  # that come before a script's

    def run(self, *arguments, timeout_s: float = 300) -> str:
        """What it prints. Fails the test where the program fails, skips it where the program is missing."""
        if self.path is None:
            missing = f"{self.name} is not installed: {self.source}, or bash tools/install_test_programs.sh"
            pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
        done = subprocess.run(
            [self.path, *self.arguments, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


BLENDER = Program(
    "Blender", shutil.which("blender"), "apt install blender python3-numpy",
    ("-b", "--factory-startup", "--python-exit-code", "1", "--python"),
)  # fmt: skip
_HAS_BPY = any(VENV.glob("bpy/lib/*/site-packages/bpy/__init__*"))
BPY = Program("bpy", str(VENV / "bpy" / "bin" / "python") if _HAS_BPY else None, "bpy 5.0.1 from pip in .venv/bpy")
ASSIMP = Program("assimp", shutil.which("assimp"), "apt install assimp-utils")
NODE = Program("Node", shutil.which("node"), "apt install nodejs npm")
VALIDATOR = VENV / "node" / "node_modules" / "gltf-validator"
EDITORS = {"blender": BLENDER, "bpy": BPY}


def opened(editor: Program, folder: Path, jobs: dict[str, dict]) -> dict[str, dict[str, np.ndarray]]:
    """What an editor sees in files, by the names of `jobs`, all of them in one run; see blender_play.py.

    A job gives "path", and what differs from 30 frames a second and FRAMES.
    """
    rows = [{"fps": 30, "frames": FRAMES, "out": str(folder / f"{name}.npz"), **job} for name, job in jobs.items()]
    rows = [row | {"frames": [float(frame) for frame in row["frames"]]} for row in rows]
    (folder / "jobs.json").write_text(json.dumps(rows, default=str), encoding="utf-8")
    editor.run(HERE / "blender_play.py", "--", folder / "jobs.json")
    return {
        name: dict(np.load(row["out"])) for name, row in zip(jobs, rows, strict=True) if row["out"].endswith(".npz")
    }


def our_axes(positions: np.ndarray) -> np.ndarray:
    """Blender's z up, -y out of the face, [..., 3], as y up, z out of the face."""
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack([x, z, -y], -1)
