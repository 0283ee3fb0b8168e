"""Faces over time as vertices with the head held still, from tracks or from registered meshes, a block at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flame_tools.errors import FormatError, InputError, ShapeError
from flame_tools.files.npy import read_npy
from flame_tools.head import Head
from flame_tools.posing import person
from flame_tools.track_file import load_track
from flame_tools.types import Track
from recon.scan.pipeline import read_meshes
from recon.scan.placing import align_robustly
from recon.stabilise import stillness

BLOCK = 64  # frames at once
STILL_M = 0.0003  # what strays farther from the neutral face is not skull
HEAD_M = (0.1, 1.0)  # the longest side of a head, or head and shoulders, that is in metres


@dataclass(frozen=True)
class Performance:
    """One person's face over time. `frames(rows)` gives those frames [t, V, 3] in metres, the head held still."""

    neutral: np.ndarray  # [V, 3] metres, the person at rest
    time_s: np.ndarray  # [T]
    frames: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return len(self.time_s)

    def at(self, times: np.ndarray) -> Iterator[np.ndarray]:
        """Blocks of frames [t, V, 3] at times [T] within the performance; between frames vertices go straight on."""
        where = np.clip(np.interp(times, self.time_s, np.arange(len(self))), 0, len(self) - 1)
        low = np.floor(where + 1e-9).astype(np.int64)
        share = np.where(where - low < 1e-9, 0.0, where - low)
        for start in range(0, len(times), BLOCK):
            rows = slice(start, start + BLOCK)
            block = self.frames(low[rows])
            part = share[rows, None, None]
            if part.any():
                block = block + part * (self.frames(np.minimum(low[rows] + 1, len(self) - 1)) - block)
            yield block


def of_track(track: Track, head: Head) -> Performance:
    """A track on its own head, with its vertex offsets where it has any."""
    someone = person(track, head)
    still = track.params.in_head_frame()

    def frames(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return someone.vertices(still.frame(torch.from_numpy(rows))).double().numpy()

    return Performance(someone.v_template.double().numpy(), np.asarray(track.time_s, np.float64), frames)


def of_vertices(
    vertices: np.ndarray,  # [T, V, 3] metres, in the head's topology
    neutral: np.ndarray,  # [V, 3] metres, the same person at rest
    head: Head,
    *,
    time_s: np.ndarray | None = None,  # [T]; frame numbers where None
) -> Performance:
    """Registered meshes. How the skull moves is taken out of each by what least moves with the face."""
    count = len(head.v_template)
    if vertices.ndim != 3 or vertices.shape[1:] != (count, 3) or neutral.shape != (count, 3):
        raise ShapeError(
            f"vertices are {list(vertices.shape)} and the neutral face {list(neutral.shape)}; "
            f"wanted [T, {count}, 3] and [{count}, 3] on head {head.arrays.id!r}"
        )
    moves = head.arrays.weights[:, 2:].max(1) > 0.02  # with the jaw or an eye
    weights = np.where(moves, 0.0, stillness(head.arrays))
    weights[head.arrays.eyelid_vertices] = 0
    neutral = neutral.astype(np.float64)

    used = np.flatnonzero(weights > 0)

    def _held(mesh: np.ndarray) -> np.ndarray:
        """The mesh where its skull is that of the neutral face; what moves on it loses its pull."""
        return align_robustly(mesh[used], neutral[used], weights[used], width=STILL_M, kind="rigid")(mesh)

    def frames(rows: np.ndarray) -> np.ndarray:
        chosen = vertices[rows].astype(np.float64)
        return np.stack([_held(one) for one in chosen])

    times = np.arange(len(vertices), dtype=np.float64) if time_s is None else np.asarray(time_s, np.float64)
    return Performance(neutral, times, frames)


def read_performance(
    path: str | os.PathLike, head: Head, *, neutral: str | os.PathLike | None = None, like: Performance | None = None
) -> Performance:
    """A NAME.face.npz; a .npy of vertices [T, V, 3] or [V, 3] in metres; a mesh or a folder of meshes.

    Vertices need the person at rest beside them (`neutral`, a .npy or a mesh), and as many frames as `like` has, at
    whose times they stand. Raises InputError or FormatError for anything else.
    """
    path = Path(path)
    if path.name.endswith(".npz"):
        return of_track(load_track(path), head)
    vertices = _vertices(path, head)
    if neutral is None:
        raise InputError(f"{path} holds vertices alone; give the same person at rest, too (--neutral)")
    rest = _vertices(Path(neutral), head)
    if len(rest) != 1:
        raise InputError(f"{neutral} holds {len(rest)} faces, wanted one at rest")
    if like is not None and len(like) != len(vertices):
        raise InputError(
            f"{path} holds {len(vertices)} faces without times, the other performance has {len(like)}; give as many, "
            "so that they belong together one by one"
        )
    return of_vertices(vertices, rest[0], head, time_s=None if like is None else like.time_s)


def common_times(found: Performance, truth: Performance) -> tuple[np.ndarray, np.ndarray]:
    """Moments [T] of each that belong together: those of the truth that both know, or all where each has one frame."""
    if len(found) == 1 and len(truth) == 1:
        return found.time_s, truth.time_s
    times = truth.time_s[(truth.time_s >= found.time_s[0] - 1e-6) & (truth.time_s <= found.time_s[-1] + 1e-6)]
    if not len(times):
        raise InputError(
            f"they have no moment in common: one lasts from {found.time_s[0]:.2f} to {found.time_s[-1]:.2f} s, the "
            f"truth from {truth.time_s[0]:.2f} to {truth.time_s[-1]:.2f} s"
        )
    return times, times


def _vertices(path: Path, head: Head) -> np.ndarray:
    """[T, V, 3] metres."""
    if path.suffix.lower() != ".npy":
        return read_meshes(path, head)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    with open(path, "rb") as file:
        try:
            vertices = read_npy(file, path.stat().st_size)
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None
    vertices = vertices[None] if vertices.ndim == 2 else vertices
    count = len(head.v_template)
    if vertices.ndim != 3 or vertices.shape[1:] != (count, 3) or vertices.dtype.kind != "f" or not len(vertices):
        raise InputError(
            f"{path} holds {vertices.dtype} {list(vertices.shape)}, wanted numbers [T, {count}, 3] in metres, the "
            f"vertices of head {head.arrays.id!r}"
        )
    if not np.isfinite(vertices).all():
        raise FormatError(f"{path} holds NaN or infinite values")
    longest = float(np.ptp(vertices[0], axis=0).max())
    if not HEAD_M[0] <= longest <= HEAD_M[1]:
        raise InputError(f"{path}: the head would be {longest:.3g} m long; wanted vertices in metres")
    return vertices
