"""What a character file holds, whatever its format: meshes with named shapes, and a skeleton.

Metres, y up, right-handed, as the file stands at rest: nodes and skins are applied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import FormatError

MAX_ELEMENTS = 100_000_000  # numbers that one file may unfold to; a character has a few millions
MAX_DEPTH = 512  # of nodes below each other


@dataclass(frozen=True, eq=False)
class Part:
    """One mesh."""

    name: str
    vertices: np.ndarray  # [V, 3] metres
    faces: np.ndarray  # [F, 3]
    uv: np.ndarray  # [U, 2], v up; [0, 2] where the mesh has none
    uv_faces: np.ndarray  # [F, 3] into uv
    materials: tuple[str, ...]
    face_material: np.ndarray  # [F] into materials
    shapes: dict[str, np.ndarray]  # name -> [V, 3] offsets at weight 1, metres
    weights: np.ndarray  # [V, B] over the scene's bones, rows sum to 1, or [V, 0] without a skin


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that a file says about its characters."""

    parts: tuple[Part, ...]
    bones: tuple[str, ...]  # [B]
    parents: tuple[int, ...]  # [B] into bones, -1 for none
    places: np.ndarray  # [B, 3] metres at rest
    extras: dict  # what the file's writer noted beside


class Budget:
    """Counts what a file unfolds to, so that a small file cannot fill the memory."""

    def __init__(self, source: str, limit: int = MAX_ELEMENTS):
        self.source, self.left, self.limit = source, limit, limit

    def take(self, count: int) -> None:
        self.left -= count
        if count < 0 or self.left < 0:
            raise FormatError(
                f"{self.source} unfolds to more than {self.limit:,} numbers; no character is that large: export "
                "the head alone, or fewer shapes"
            )


def finite(values: np.ndarray, what: str, source: str) -> np.ndarray:
    """`values` as float64. Raises FormatError where one is NaN or infinite."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise FormatError(f"{source}: {what} holds NaN or infinite values; export the file again")
    return values


def in_range(indices: np.ndarray, count: int, what: str, source: str) -> np.ndarray:
    """`indices` as int64. Raises FormatError where one lies outside [0, count)."""
    indices = np.asarray(indices).astype(np.int64)
    if indices.size and not (indices.min() >= 0 and indices.max() < count):
        raise FormatError(f"{source}: {what} points at {int(indices.max())}, wanted [0, {count})")
    return indices


def world_matrices(local: Sequence[np.ndarray], parents: Sequence[int], source: str) -> list[np.ndarray]:
    """Nodes' matrices [4, 4] in the world from their own and their parents' numbers (-1: none)."""
    result: list[np.ndarray | None] = [None] * len(local)
    for i in range(len(local)):
        chain = []
        node = i
        while node >= 0 and result[node] is None:
            chain.append(node)
            node = parents[node]
            if len(chain) > MAX_DEPTH:
                raise FormatError(f"{source}: nodes hang below each other in a circle, or over {MAX_DEPTH} deep")
        matrix = np.eye(4) if node < 0 else result[node]
        for node in reversed(chain):
            matrix = matrix @ local[node]
            result[node] = matrix
    return result


def trs(translation, quaternion, scale) -> np.ndarray:
    """Matrix [4, 4] of a translation, a rotation (x, y, z, w) and a scale."""
    x, y, z, w = quaternion
    n = math.sqrt(x * x + y * y + z * z + w * w) or 1.0
    x, y, z, w = x / n, y / n, z / n, w / n
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.asarray(scale, np.float64)
    matrix[:3, 3] = translation
    return matrix


def carried(
    points: np.ndarray, shapes: dict[str, np.ndarray], matrices: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Points [V, 3] and offsets moved by matrices [4, 4] or [V, 4, 4]."""
    turn, shift = matrices[..., :3, :3], matrices[..., :3, 3]

    def turned(values: np.ndarray) -> np.ndarray:
        return values @ turn.T if turn.ndim == 2 else np.einsum("vij,vj->vi", turn, values)

    return turned(points) + shift, {name: turned(offsets) for name, offsets in shapes.items()}
