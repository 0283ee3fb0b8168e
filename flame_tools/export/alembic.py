"""Alembic, written by Blender where the user has one: every vertex of every frame, at the track's own times.

The mesh has the head's vertices and triangles in their order, UV, and a face set for each material; metres, y up, +z
out of the face, as ours. The time sampling begins at the track's first frame and steps by its rate. The head and its
licences stand among the mesh's user properties. Alembic carries no sound: `write_wav` puts it beside.

Blender runs as a process of its own (`alembic_blender.py`), since pip's `bpy` wants another NumPy and keeps the state
of a whole program. It is fed a vertex cache and plays it frame by frame: memory does not grow with the track.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flame_tools.archive import written_whole
from flame_tools.errors import AssetError, FormatError, InputError, OutputError, cannot_write
from flame_tools.export.obj import write_obj_sequence
from flame_tools.export.options import Options
from flame_tools.export.pointcache import write_pc2
from flame_tools.file_clock import file_times
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.posing import at_frames
from flame_tools.track_check import RATE_TOLERANCE_S, check_track
from flame_tools.types import Track

BLENDER_VARIABLE = "EMBERFACE_BPY"
_BLENDERS = Options(up="z")  # its own axes, from which its exporter comes back to y up
_SCRIPT = Path(__file__).with_name("alembic_blender.py")
_NO_ALEMBIC = 3  # the script's exit status in a Blender without it
_WAY_OUT = (
    "install bpy into any Python (pip install bpy) and name that Python, or a Blender, in the environment variable "
    f"{BLENDER_VARIABLE} or as `blender`"
)
# Alembic's Ogawa container opens with this, and with 0xff at _FROZEN once all of it is written: its writer does not
# look whether the disk took what it wrote (https://github.com/alembic/alembic, lib/Alembic/Ogawa/OStream.cpp).
_MAGIC, _FROZEN = b"Ogawa", 5
_DATE_KEY = b"_ai_DateWritten="
_DATE = b"Thu Jan  1 00:00:00 1970"  # as asctime writes it, of one length always
_TAIL = 1 << 20  # the archive's metadata stand near its end


def write_alembic(
    track: Track, head: Head, path: str | os.PathLike, *, blender: str | os.PathLike | None = None
) -> None:
    """Write `track` on `head` as one .abc file.

    `blender` is a Blender program or a Python that has `bpy`. Where it is None, the environment variable EMBERFACE_BPY
    names one; else this Python is asked for `bpy`, then PATH for `blender`. What is named is run, so name what you
    trust. Debian's Blender is built without Alembic; pip's `bpy` and blender.org's have it.

    While it is written, a vertex cache of 12 bytes a vertex and frame lies beside `path`. The bytes are the same for
    the same track and Blender on Linux: the date that Alembic puts in is set to 1970.

    Raises AssetError where no Blender with Alembic is found, InputError where the track's frames come at no constant
    rate or begin between two frames of it, OutputError where `path` cannot be written.
    """
    check_track(track)
    first, rate = _frames_of(track, path)
    commands = _commands(blender)
    path = Path(path)
    with (
        written_whole(path) as temporary,
        tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder,
    ):
        beside = Path(folder).resolve()  # bpy takes a relative name for one inside its own file
        try:
            write_obj_sequence(at_frames(track, [0]), head, beside / "mesh", options=_BLENDERS)
            write_pc2(track, head, beside / "cache.pc2", options=_BLENDERS)
        except OutputError as error:
            raise cannot_write(path, error.__cause__ if isinstance(error.__cause__, OSError) else error) from error
        job = {
            "mesh": str(beside / "mesh" / "frame_0001.obj"),
            "cache": str(beside / "cache.pc2"),
            "out": str(beside / "out.abc"),
            "first": first,
            "last": first + len(track) - 1,
            "rate": rate,
            "notes": {"head": head.arrays.id, "licences": ", ".join(licences_of(track, head.arrays))},
        }
        (beside / "job.json").write_text(json.dumps(job), encoding="utf-8")
        _run(commands, beside / "job.json", path)
        _finish(beside / "out.abc", path)
        (beside / "out.abc").replace(temporary)


def need_alembic(*, blender: str | os.PathLike | None = None) -> None:
    """Raises AssetError where `write_alembic` would for want of a Blender with Alembic, which takes a second."""
    commands = _commands(blender)
    # what else goes wrong is for the writer to say, which knows the place
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(OutputError):
        job = Path(folder) / "job.json"
        job.write_text("{}", encoding="utf-8")
        _run(commands, job, job)


def _frames_of(track: Track, path: str | os.PathLike) -> tuple[int, tuple[int, int]]:
    """The number of the first frame, and the rate."""
    if track.fps is None:
        if len(track) > 1:
            raise InputError(
                f"cannot write {path}: the track's frames come at no constant rate, and Blender writes no other; "
                "bring it to one, or write MDD, which holds any times"
            )
        return 0, (24, 1)  # a still: one sample, at time 0
    over, under = track.fps
    start_s = float(file_times(track)[0])
    first = round(start_s * over / under)
    if abs(first * under / over - start_s) > RATE_TOLERANCE_S:
        raise InputError(
            f"cannot write {path}: the track begins at {start_s:g} s, which is between two frames at "
            f"{over / under:g} frames a second, and Blender writes whole frames; move its time_s, or write MDD"
        )
    return first, (over, under)


def _commands(named: str | os.PathLike | None) -> list[list[str]]:
    """What may write it, the likeliest first: each a program with the arguments that come before the script's own."""
    named = named or os.environ.get(BLENDER_VARIABLE)
    if named:
        program = shutil.which(named)
        if program is None:
            raise AssetError(f"there is no program {os.fspath(named)} to write Alembic with; {_WAY_OUT}")
        return [_command(program)]
    found = [[sys.executable, str(_SCRIPT)]] if importlib.util.find_spec("bpy") else []
    found += [_command(program)] if (program := shutil.which("blender")) else []
    if not found:
        raise AssetError(f"Alembic is written by Blender, and there is neither bpy nor blender here; {_WAY_OUT}")
    return found


def _command(program: str) -> list[str]:
    """A Blender says "Blender" and its version first, a Python says "Python"."""
    try:
        about = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssetError(f"{program} does not run ({error}); {_WAY_OUT}") from error
    if about.startswith("Python"):
        return [program, str(_SCRIPT)]
    return [program, "-b", "--factory-startup", "--python-exit-code", "1", "--python", str(_SCRIPT)]


def _run(commands: list[list[str]], job: Path, path: Path) -> None:
    """Let the first of `commands` that knows Alembic do `job`."""
    surroundings = os.environ | {
        "PYTHONIOENCODING": "utf-8",
        # Without the script's own folder among the places that Python imports from: its neighbours have common names.
        "PYTHONSAFEPATH": "1",
        # glibc hands out zeroed memory then: "meshtype" in the file is otherwise what Blender found in some byte.
        "MALLOC_PERTURB_": "255",
    }
    for command in commands:
        done = subprocess.run(
            [*command, "--", str(job)], capture_output=True, text=True, errors="replace", env=surroundings, check=False
        )
        if done.returncode == 0:
            return
        if done.returncode != _NO_ALEMBIC:
            said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            if any("No module named 'bpy'" in line for line in said):
                raise AssetError(f"{command[0]} is a Python without bpy; {_WAY_OUT}")
            raise OutputError(
                f"cannot write {path}: {command[0]} ended with status {done.returncode}, having said "
                f"{said[-1] if said else 'nothing'!r}; free some space there, or try another Blender"
            )
    programs = ", ".join(command[0] for command in commands)
    raise AssetError(f"{programs}: this Blender was built without Alembic; {_WAY_OUT}")


def _finish(made: Path, path: Path) -> None:
    """Make sure that all of the file is there, and take the clock out of it."""
    if not made.is_file() or made.stat().st_size <= _FROZEN:
        raise OutputError(f"cannot write {path}: Blender left no file; free some space there, or choose another disk")
    with open(made, "r+b") as file:
        start = file.read(_FROZEN + 1)
        if start != _MAGIC + b"\xff":
            raise OutputError(
                f"cannot write {path}: Blender could not finish the file; free some space there, or choose another disk"
            )
        file.seek(max(made.stat().st_size - _TAIL, 0))
        at = file.tell()
        tail = file.read()
        found = tail.rfind(_DATE_KEY)
        end = tail.find(b";", found)
        if found < 0 or end - found - len(_DATE_KEY) != len(_DATE):
            raise FormatError(f"the Alembic file that Blender made for {path} names no date where one was expected")
        file.seek(at + found + len(_DATE_KEY))
        file.write(_DATE)
