"""Wavefront OBJ as the file has it: vertices and texture coordinates in its own order, nothing split or merged."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError

MAX_BYTES = 512 << 20


@dataclass(frozen=True)
class Obj:
    """A mesh of triangles; a polygon becomes a fan about its first corner."""

    vertices: np.ndarray  # [V, 3] in the file's unit
    faces: np.ndarray  # [F, 3] int32
    uv: np.ndarray  # [U, 2]
    uv_faces: np.ndarray  # [F, 3] int32; [0, 3] where a corner lacks its texture coordinate


def read_obj(path: str | os.PathLike) -> Obj:
    """Geometry and texture coordinates; materials, normals, groups and lines are passed over.

    Raises FormatError for what is no OBJ, and for corners, counted from 1 or from the end, that are not there.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"{path} has {path.stat().st_size >> 20} MiB; the limit is {MAX_BYTES >> 20}")
    vertices: list[list[bytes]] = []
    uv: list[list[bytes]] = []
    corners: list[tuple[int, int]] = []  # vertex and texture coordinate, from 0; -1: none
    try:
        with open(path, "rb") as file:
            for line in file:
                keyword, *words = line.split() or [b""]
                if keyword == b"v":
                    vertices.append(words[:3])
                elif keyword == b"vt":
                    uv.append(words[:2])
                elif keyword == b"f":
                    ring = [_corner(word, len(vertices), len(uv)) for word in words]
                    for i in range(1, len(ring) - 1):
                        corners += (ring[0], ring[i], ring[i + 1])
        places = np.array(vertices, np.float64).reshape(-1, 3)
        flat = np.array(uv, np.float64).reshape(-1, 2)
        faces, uv_faces = np.array(corners, np.int64).reshape(-1, 3, 2).transpose(2, 0, 1)
    except (ValueError, IndexError, OverflowError) as error:
        raise FormatError(f"{path} is not a readable OBJ ({error})") from None
    if not len(places) or not corners or not np.isfinite(places).all() or not np.isfinite(flat).all():
        raise FormatError(f"{path} has {len(places)} vertices and {len(corners) // 3} triangles; wanted a mesh")
    if faces.min() < 0 or faces.max() >= len(places) or uv_faces.max() >= len(flat):
        raise FormatError(f"{path} has corners outside its {len(places)} vertices; it is damaged")
    whole = uv_faces if uv_faces.min() >= 0 else np.zeros((0, 3))
    return Obj(places, faces.astype(np.int32), flat, whole.astype(np.int32))


def _corner(word: bytes, vertices: int, uv: int) -> tuple[int, int]:
    """'7', '7/3', '7//1', '-1/-1/-1' to indices from 0."""
    parts = word.split(b"/")
    vertex = int(parts[0])
    texture = int(parts[1]) if len(parts) > 1 and parts[1] else 0
    return (
        vertex - 1 if vertex > 0 else vertices + vertex if vertex else -1,
        texture - 1 if texture > 0 else uv + texture if texture else -1,
    )
