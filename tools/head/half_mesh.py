"""Meshes built as a left half (x >= 0) and closed by reflection, so that symmetry is exact to the bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MIDDLE = 1e-9  # vertices this near to x = 0 lie on it


@dataclass(frozen=True)
class Part:
    """A piece of surface. V vertices, F triangles counter-clockwise from outside."""

    vertices: np.ndarray  # [V, 3]
    faces: np.ndarray  # [F, 3]
    uv: np.ndarray  # [U, 2] in [0, 1]
    uv_faces: np.ndarray  # [F, 3] into uv
    mirror: np.ndarray  # [V] the vertex across x = 0; -1 where the part is a half

    def moved(self, vertices: np.ndarray) -> Part:
        return Part(vertices, self.faces, self.uv, self.uv_faces, self.mirror)


def from_faces(vertices: np.ndarray, faces: list, uv: np.ndarray) -> Part:
    """A half whose texture corners are its vertices; unused vertices must not exist."""
    triangles = np.array(faces, dtype=np.int64)
    return Part(
        np.asarray(vertices, float), triangles, np.asarray(uv, float), triangles.copy(), np.full(len(vertices), -1)
    )


def join(parts: list[Part]) -> Part:
    """Parts side by side, in order; mirrors are kept."""
    vertex = np.cumsum([0] + [len(part.vertices) for part in parts])
    corner = np.cumsum([0] + [len(part.uv) for part in parts])
    return Part(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + at for part, at in zip(parts, vertex, strict=False)]),
        np.concatenate([part.uv for part in parts]),
        np.concatenate([part.uv_faces + at for part, at in zip(parts, corner, strict=False)]),
        np.concatenate(
            [np.where(part.mirror < 0, -1, part.mirror + at) for part, at in zip(parts, vertex, strict=False)]
        ),
    )


def reflect(half: Part) -> Part:
    """Both halves: vertices at x = 0 are shared, the rest get a twin; texture is mirrored in u."""
    vertices = half.vertices.copy()
    middle = np.abs(vertices[:, 0]) <= _MIDDLE
    vertices[middle, 0] = 0.0
    count, sides = len(vertices), np.flatnonzero(~middle)
    twin = np.arange(count)
    twin[sides] = count + np.arange(len(sides))
    mirror = np.concatenate([twin, sides])
    uv = np.concatenate([half.uv, half.uv * [-1.0, 1.0] + [1.0, 0.0]])
    return Part(
        np.concatenate([vertices, vertices[sides] * [-1.0, 1.0, 1.0]]),
        np.concatenate([half.faces, twin[half.faces][:, ::-1]]),
        uv,
        np.concatenate([half.uv_faces, half.uv_faces[:, ::-1] + len(half.uv)]),
        mirror,
    )


def zip_rows(first: np.ndarray, second: np.ndarray, first_at: np.ndarray, second_at: np.ndarray) -> list:
    """Triangles between two open rows of vertices of unequal count, paired by their parameters (both increasing).

    Counter-clockwise where `second` lies to the left of `first` as it runs.
    """
    faces, i, j = [], 0, 0
    while i + 1 < len(first) or j + 1 < len(second):
        ahead = j + 1 == len(second) or (
            i + 1 < len(first) and abs(first_at[i + 1] - second_at[j]) <= abs(first_at[i] - second_at[j + 1])
        )
        if ahead:
            faces.append([first[i], first[i + 1], second[j]])
            i += 1
        else:
            faces.append([first[i], second[j + 1], second[j]])
            j += 1
    return faces
