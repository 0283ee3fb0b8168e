"""A person's fits, kept part by part beside what was read: a stretch of frames is whole or not there.

A film's part `part-00003.npz` of readings has a `fits-0000-00003.npz` for person 0. Each stretch begins afresh, so that
none depends on another; each says of which readings, head, person and options it was made, and is made again where any
of them is another.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError
from flame_tools.types import HeadArrays
from readers.readings import Readings
from recon.film.person import AFRESH, Face, Person, follow
from recon.film.rows import Rows
from recon.fitting.observation import USUAL, FitOptions, Observation, View, observed

FORMAT, VERSION = "emberface.fits", 2
_MAX_BYTES = 1 << 30
LONGEST = 256  # frames of a stretch in which the person was not seen


class TellsFaces(Protocol):
    """Who knows the faces of a person's rows."""

    made_of: tuple
    """All that they depend on beside the readings of the same part: what `_digest` takes."""

    def at(self, rows: slice) -> list[Face]: ...


@dataclass(frozen=True)
class Fits:
    """Fits of n rows."""

    unknowns: np.ndarray  # [n, K] float64 of Person.layout
    variance: np.ndarray  # [n, K] float64, of each frame alone; 0 where a bound holds
    error: np.ndarray  # [n] float64 of FrameFit


def observation_of(rows: Readings, row: int, view: View) -> Observation:
    """What one row of readings says, for a fit."""
    landmarks, iris = rows.landmarks[row].astype(np.float64), rows.iris[row].astype(np.float64)
    noise = rows.noise[row].astype(np.float64)
    seen = observed(landmarks, iris, view, float(rows.together[row]), float(rows.tongue[row]))
    return dataclasses.replace(seen, noise=noise) if np.isfinite(noise).all() else seen


def fit_rows(
    rows: Rows,
    folder: str | os.PathLike,
    head: HeadArrays,
    person: Person,
    view: View,
    *,
    faces: TellsFaces | None = None,  # who tells them; poses alone are solved for
    options: FitOptions = USUAL,
    progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Fit every row, stretch by stretch, into files of `folder`; those that are there are left. Their errors [R]."""
    seen_as = (view.size, view.focal_px, view.middle, *(["weak"] if view.weak else []))
    told = () if faces is None else faces.made_of
    base = _digest(_of_head(head), person.shape, person.log_focal, *seen_as, options, AFRESH, *told)
    error = np.empty(len(rows))
    for number, where in rows.stretches():
        readings = rows.take(np.arange(where.start, where.stop))
        path, key = fits_path(folder, rows.id, number), _digest(base, *vars(readings).values())
        fits = read_fits(path, key, (len(readings), person.layout.size)) if path.is_file() else None
        if fits is None:
            seen = (observation_of(readings, n, view) for n in range(len(readings)))
            done, share = where.start / len(rows), len(readings) / len(rows)
            known = None if faces is None else faces.at(where)
            step = lambda s: progress(done + share * s)  # noqa: B023, E731 (called at once)
            found = follow(head, person, seen, len(readings), step, faces=known, options=options)
            fits = Fits(
                np.stack([f.unknowns for f in found]),
                np.stack([f.variance for f in found]),
                np.array([f.error for f in found], np.float64),
            )
            write_npz(path, vars(fits), {"format": FORMAT, "version": VERSION, "key": key})
        error[where] = fits.error
        progress(where.stop / len(rows))
    return error


def fits_path(folder: str | os.PathLike, person: int, part: int) -> Path:
    return Path(folder) / f"fits-{person:04d}-{part:05d}.npz"


def read_fits(path: str | os.PathLike, key: str | None, shape: tuple[int, int]) -> Fits | None:
    """Fits [n, K] of a stretch; None where they are of something else than `key` says.

    Raises FormatError where the file holds none.
    """
    arrays, header = read_npz(path, FORMAT, VERSION, max_bytes=_MAX_BYTES)
    if key is not None and header.get("key") != key:
        return None
    wanted = {"unknowns": shape, "variance": shape, "error": shape[:1]}
    if {name: (a.shape, a.dtype) for name, a in arrays.items()} != {n: (s, np.float64) for n, s in wanted.items()}:
        raise FormatError(f"{path} does not hold fits of {shape[0]} rows; remove it, and they are made again")
    return Fits(**arrays)


class FramesOfFits(Sequence[tuple[np.ndarray, np.ndarray]]):
    """Unknowns and variance [n, K] of all frames from a person's first to their last, stretch by stretch.

    Unknowns are NaN and the variance 0 in frames in which they were not found.
    """

    def __init__(self, rows: Rows, folder: str | os.PathLike, size: int):
        self.rows, self.folder, self.size = rows, folder, size
        first = int(rows.frame[0])
        self.spans: list[tuple[slice, int | None, slice | None]] = []  # frames from the first on; part; rows of it
        at = 0
        for number, where in rows.stretches():
            start, stop = int(rows.frame[where.start]) - first, int(rows.frame[where.stop - 1]) - first + 1
            self.spans += [(slice(a, min(a + LONGEST, start)), None, None) for a in range(at, start, LONGEST)]
            self.spans.append((slice(start, stop), number, where))
            at = stop

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        frames, number, where = self.spans[index]
        shape = (frames.stop - frames.start, self.size)
        unknowns, variance = np.full(shape, np.nan), np.zeros(shape)
        if number is not None:
            fits = read_fits(fits_path(self.folder, self.rows.id, number), None, (where.stop - where.start, self.size))
            place = self.rows.frame[where] - self.rows.frame[where.start]
            unknowns[place], variance[place] = fits.unknowns, fits.variance
        return unknowns, variance


def _of_head(head: HeadArrays) -> str:
    """What a head is, its story apart."""
    return _digest(*(value for name, value in vars(head).items() if name != "provenance"))


def _digest(*parts: object) -> str:
    """Of arrays by type, shape and bytes, of dataclasses and dicts by what they hold, of all else by what it says."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        elif dataclasses.is_dataclass(part):
            digest.update(_digest(*vars(part).values()).encode())
        elif isinstance(part, dict):
            digest.update(_digest(*(item for key in sorted(part) for item in (key, part[key]))).encode())
        else:
            digest.update(f"{part!r}\n".encode())
    return digest.hexdigest()
