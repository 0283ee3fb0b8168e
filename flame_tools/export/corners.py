"""Meshes whose vertices carry one UV each, as graphics formats want them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.types import HeadArrays


@dataclass(frozen=True)
class Piece:
    """The part of a head that has one material, with its vertices split where UV has a seam."""

    material: str
    vertices: np.ndarray  # [n] which vertex of the head each one is
    uv: np.ndarray | None  # [n, 2], v up
    triangles: np.ndarray  # [m, 3] into the n


def split_by_material(arrays: HeadArrays) -> list[Piece]:
    """Cut a head into one piece a material, in the head's order of materials and vertices."""
    has_uv = len(arrays.uv) > 0
    uv_faces = arrays.uv_faces if has_uv else np.zeros_like(arrays.faces)
    pieces = []
    for m, name in enumerate(arrays.materials):
        chosen = arrays.face_material == m
        if not chosen.any():
            continue
        corners = np.stack([arrays.faces[chosen], uv_faces[chosen]], -1).reshape(-1, 2)
        kept, index = np.unique(corners, axis=0, return_inverse=True)
        uv = arrays.uv[kept[:, 1]] if has_uv else None
        pieces.append(Piece(name, kept[:, 0], uv, index.reshape(-1, 3)))
    return pieces
