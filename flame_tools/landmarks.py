"""Points that ride on a mesh: a triangle and barycentric weights each."""

from __future__ import annotations

from torch import Tensor


def embed(vertices: Tensor, corners: Tensor, barycentrics: Tensor) -> Tensor:
    """vertices [..., V, 3], corners [L, 3] vertex indices, barycentrics [L, 3] -> points [..., L, 3]."""
    return (vertices[..., corners, :] * barycentrics.unsqueeze(-1)).sum(-2)
