"""What was read of a film's faces, as flat arrays in numbered files: a row for each face of each frame.

A part `part-00000.npz` holds a fixed number of frames and is written whole or not at all, so that a film of any length
needs the memory of one part and a run that was stopped goes on after its last part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError, InputError, ShapeError
from readers.following import FaceInFrame

FORMAT, VERSION = "emberface.readings", 4
MAX_PART_BYTES = 2 << 30
_TAILS = {
    "landmarks": (np.float32, (468, 2)),
    "iris": (np.float32, (10, 2)),
    "spread": (np.float32, (468,)),
    "noise": (np.float32, (468,)),
    "score": (np.float32, ()),
    "trust": (np.float32, ()),
    "together": (np.float32, ()),
    "tongue": (np.float32, ()),
    "id": (np.int32, ()),
    "frame": (np.int64, ()),
    "time_s": (np.float64, ()),
    "told": (np.float32, (None,)),  # as many numbers as the reader tells
}


@dataclass(frozen=True)
class Readings:
    """R rows, ordered by frame, then by id. Pixels of the image, x right, y down, centres at +0.5."""

    landmarks: np.ndarray  # [R, 468, 2] float32
    iris: np.ndarray  # [R, 10, 2] float32: right centre and ring of 4, left centre and ring of 4
    spread: np.ndarray  # [R, 468] float32 px, standard deviation over the crops that were averaged
    noise: np.ndarray  # [R, 468] float32 px: how far off each landmark may be; NaN where its reader does not tell
    score: np.ndarray  # [R] float32 in [0, 1]: the landmark network's belief that this is a face
    trust: np.ndarray  # [R] float32 in [0, 1]: below 0.3 bridge it rather than use it
    together: np.ndarray  # [R] float32 in [0, 1]: how surely the mouth is open and its teeth are together
    tongue: np.ndarray  # [R] float32 in [0, 1]: how far the tongue is out
    id: np.ndarray  # [R] int32: whose face
    frame: np.ndarray  # [R] int64 number of the frame
    time_s: np.ndarray  # [R] float64 seconds from the first frame
    told: np.ndarray  # [R, M] float32 what the reader says of a face beside landmarks; M is 0 where it says no more

    def __post_init__(self):
        rows = len(self.time_s)
        for name, (dtype, tail) in _TAILS.items():
            value = getattr(self, name)
            wanted, size = np.dtype(dtype), [rows, *tail]
            fits = value.ndim == len(size) and all(n in (None, m) for n, m in zip(size, value.shape, strict=True))
            if not fits or value.dtype != wanted:
                raise ShapeError(f"{name} is {value.dtype} {list(value.shape)}, wanted {wanted} {size}")

    def __len__(self) -> int:
        return len(self.time_s)

    def of(self, number: int) -> Readings:
        """The rows of one face."""
        return self.take(self.id == number)

    def take(self, rows: np.ndarray) -> Readings:
        """The rows that an index or a mask picks."""
        return Readings(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @staticmethod
    def of_frames(frames: list[tuple[int, float, list[FaceInFrame]]]) -> Readings:
        """From (number, time_s, faces) of frames in order."""
        rows = [(number, time_s, face) for number, time_s, faces in frames for face in faces]
        pick = {
            "landmarks": lambda n, t, face: face.landmarks[:, :2],
            "iris": lambda n, t, face: face.iris,
            "spread": lambda n, t, face: face.spread,
            "noise": lambda n, t, face: face.noise,
            "score": lambda n, t, face: face.score,
            "trust": lambda n, t, face: face.trust,
            "together": lambda n, t, face: face.together,
            "tongue": lambda n, t, face: face.tongue,
            "id": lambda n, t, face: face.id,
            "frame": lambda n, t, face: n,
            "time_s": lambda n, t, face: t,
            "told": lambda n, t, face: face.told,
        }
        return Readings(
            **{name: _column([pick[name](*row) for row in rows], dtype, tail) for name, (dtype, tail) in _TAILS.items()}
        )

    @staticmethod
    def joined(parts: list[Readings]) -> Readings:
        """Parts in their order as one."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return Readings.of_frames([])
        return Readings(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Readings)})


def _column(values: list, dtype: type, tail: tuple[int | None, ...]) -> np.ndarray:
    return np.array(values, dtype).reshape(len(values), *((-1 if values else 0) if n is None else n for n in tail))


def part_path(folder: str | os.PathLike, number: int) -> Path:
    return Path(folder) / f"part-{number:05d}.npz"


def write_part(path: str | os.PathLike, readings: Readings, header: dict, state: dict[str, np.ndarray]) -> None:
    """Write a part, and the state in which the next begins; the same content gives the same bytes."""
    arrays = {f.name: getattr(readings, f.name) for f in fields(Readings)}
    arrays |= {f"state.{name}": value for name, value in state.items()}
    write_npz(path, arrays, {"format": FORMAT, "version": VERSION, **header})


def read_part(path: str | os.PathLike) -> tuple[Readings, dict, dict[str, np.ndarray]]:
    """Readings, header and state of a part. Raises FormatError where it is none."""
    arrays, header = read_npz(path, FORMAT, VERSION, max_bytes=MAX_PART_BYTES)
    missing = sorted(set(_TAILS) - set(arrays))
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; remove it, and the film is read again from there")
    try:
        readings = Readings(**{name: arrays[name] for name in _TAILS})
    except ShapeError as error:
        raise FormatError(f"{path}: {error}; remove it, and the film is read again from there") from None
    state = {name.removeprefix("state."): value for name, value in arrays.items() if name.startswith("state.")}
    return readings, header, state


def part_files(folder: str | os.PathLike) -> list[Path]:
    """The parts of a folder from number 0 on, without a gap."""
    files = []
    while (path := part_path(folder, len(files))).is_file():
        files.append(path)
    return files


def read_parts(folder: str | os.PathLike) -> Iterator[Readings]:
    """The parts of a folder, one in memory at a time."""
    files = part_files(folder)
    if not files:
        raise InputError(f"{folder} holds no part-00000.npz; read a film into it first")
    for path in files:
        yield read_part(path)[0]
