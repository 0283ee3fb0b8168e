"""Surface normals of triangle meshes."""

from __future__ import annotations

import torch
from torch import Tensor


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """vertices [..., V, 3], faces [F, 3] -> unit normals [..., V, 3], area-weighted; zero where no face touches."""
    a, b, c = (vertices[..., faces[:, i], :] for i in range(3))
    face = torch.linalg.cross(b - a, c - a, dim=-1)
    summed = torch.zeros_like(vertices)
    for i in range(3):
        summed = summed.index_add(-2, faces[:, i], face)
    return torch.nn.functional.normalize(summed, dim=-1, eps=1e-20)
