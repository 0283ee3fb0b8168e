"""Surface normals of triangle meshes, with gradients: a CPU kernel where it applies, plain torch elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from flame_tools.articulate import kernels_apply
from flame_tools.errors import ShapeError
from flame_tools.threads import share_out


def vertex_normals(vertices: Tensor, faces: Tensor, *, backend: str = "auto") -> Tensor:
    """vertices [..., V, 3], faces [F, 3] -> unit normals [..., V, 3], area-weighted; zero where no face has an area.

    `backend="torch"` can be differentiated twice.
    """
    if backend == "torch" or torch.compiler.is_compiling() or not kernels_apply(vertices):
        return normals_torch(vertices, faces)
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < vertices.shape[-2]:
        raise ShapeError(
            f"faces name vertices {int(faces.min())} to {int(faces.max())} of a mesh that has {vertices.shape[-2]}"
        )
    flat = vertices.reshape(vertices.shape[:-2].numel(), *vertices.shape[-2:])
    return _Normals.apply(flat, faces).view(vertices.shape)


def normals_torch(vertices: Tensor, faces: Tensor) -> Tensor:
    """The definition."""
    a, b, c = (vertices[..., faces[:, i], :] for i in range(3))
    face = torch.linalg.cross(b - a, c - a, dim=-1)
    summed = torch.zeros_like(vertices)
    for i in range(3):
        summed = summed.index_add(-2, faces[:, i], face)
    length = summed.norm(dim=-1, keepdim=True)
    return summed / length.masked_fill(length <= 1e-20, torch.inf)


class _Normals(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vertices: Tensor, faces: Tensor) -> Tensor:
        from flame_tools.normals_numba import normals

        vertices, faces = vertices.contiguous(), faces.to(torch.int64).contiguous()
        out, lengths = torch.empty_like(vertices), vertices.new_empty(vertices.shape[:-1])
        arrays = [tensor.detach().numpy() for tensor in (vertices, faces, out, lengths)]
        share_out(*vertices.shape[:2], lambda first, last: normals(first, last, *arrays))
        ctx.save_for_backward(vertices, faces, out, lengths)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out: Tensor) -> tuple[Tensor, None]:
        from flame_tools.normals_numba import normals_backward

        grad_out = grad_out.clone(memory_format=torch.contiguous_format)
        grad = torch.empty_like(grad_out)
        arrays = [tensor.detach().numpy() for tensor in (*ctx.saved_tensors, grad_out, grad)]
        share_out(*grad.shape[:2], lambda first, last: normals_backward(first, last, *arrays))
        return grad, None
