"""Posing many faces at once: the CPU kernels where they apply, plain torch elsewhere.

`articulate` takes and gives what `skinning.articulate_torch` does. On a CPU, in float32 and float64, it is one node of
the graph with a gradient by hand: a product with the fused directions, then the kernels of `articulate_numba`. The same
two functions are registered as custom operators, which torch.compile and torch.export see as one opaque call; eager
code does without, since an operator's first call loads half of torch's compiler.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from flame_tools.skinning import articulate_torch
from flame_tools.threads import share_out
from flame_tools.types import PARENTS


def articulate(
    linear: Tensor,  # [B, K] identity and expression
    turns: Tensor,  # [B, J, 3] axis-angle of each joint in its parent, radians
    translation: Tensor,  # [B, 3] metres
    lids: Tensor,  # [B, N, 3] metres, added at rest to `lid_vertices`
    template: Tensor,  # [V, 3] metres
    joint_template: Tensor,  # [J, 3] metres
    directions: Tensor,  # [K + 9 (J - 1), 3 V]: of linear, then of R - I
    joint_directions: Tensor,  # [L, 3 J]: joints follow the first L of linear
    weights: Tensor,  # [J, V]
    lid_vertices: Tensor,  # [N]
    *,
    backend: str = "auto",  # "torch" can be differentiated twice
) -> tuple[Tensor, Tensor, Tensor]:
    """Posed vertices [B, V, 3], posed joints [B, J, 3] and world rotations [B, J, 3, 3]."""
    moving = (linear, turns, translation, lids, template, joint_template)
    fixed = (directions, joint_directions, weights, lid_vertices)
    if backend == "torch" or any(tensor.requires_grad for tensor in fixed) or not kernels_apply(linear):
        with torch.autocast(linear.device.type, enabled=False):  # bfloat16 is worth millimetres
            return articulate_torch(*moving, *fixed)
    if torch.compiler.is_compiling():
        return torch.ops.emberface.articulate(*moving, *fixed)[:3]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in moving):
        return _Articulate.apply(*moving, *fixed)
    return _forward(*moving, *fixed, keep=False)[:3]


def kernels_apply(tensor: Tensor) -> bool:
    """Whether a CPU kernel can read `tensor`, in a type it knows."""
    if tensor.device.type != "cpu" or tensor.dtype not in (torch.float32, torch.float64):
        return False
    # torch.func's wrapped tensors and forward-mode duals have no memory of their own; traces call an operator
    return torch.compiler.is_compiling() or (
        torch._C._functorch.peek_interpreter_stack() is None and torch.autograd.forward_ad._current_level < 0
    )


# --- the two functions ----------------------------------------------------------------------------------------------


def _forward(
    linear: Tensor, turns: Tensor, translation: Tensor, lids: Tensor, template: Tensor, joint_template: Tensor,
    directions: Tensor, joint_directions: Tensor, weights: Tensor, lid_vertices: Tensor, *, keep: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Vertices, joints, rotations, and to `keep` for the gradient: offsets and joints at rest, local rotations."""
    from flame_tools import articulate_numba as kernels

    batch, count = len(linear), linear.shape[1]
    turns, translation = turns.contiguous(), translation.contiguous()
    with torch.autocast("cpu", enabled=False), torch.no_grad():
        coefficients = linear.new_empty(batch, len(directions))
        coefficients[:, :count] = linear
        local = turns.new_empty(*turns.shape, 3)
        kernels.rotate(0, batch, *_numpy(turns, local, coefficients), count)
        offsets = torch.mm(coefficients, directions).view(batch, len(template), 3)
        if len(lid_vertices):
            offsets.index_add_(1, lid_vertices, lids)
        joints = torch.addmm(joint_template.reshape(-1), linear[:, : len(joint_directions)], joint_directions)
        joints = joints.view(batch, len(joint_template), 3)
    vertices = torch.empty_like(offsets) if keep else offsets
    world, placed = torch.empty_like(local), torch.empty_like(joints)
    arrays = _numpy(
        local, joints, weights.contiguous(), translation, template.contiguous(), world, placed, offsets, vertices
    )
    share_out(batch, offsets.shape[1], lambda first, last: kernels.pose(first, last, _PARENTS, *arrays))
    return vertices, placed, world, offsets, joints, local


def _backward(
    grad_vertices: Tensor, grad_placed: Tensor, grad_world: Tensor,
    turns: Tensor, template: Tensor, world: Tensor, offsets: Tensor, joints: Tensor, local: Tensor,
    directions: Tensor, joint_directions: Tensor, weights: Tensor, lid_vertices: Tensor,
    *, of_template: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of linear, turns, translation, lids, template (no rows unless asked for) and joint template."""
    from flame_tools import articulate_numba as kernels

    batch, count = len(offsets), len(directions) - local[:, 1:].shape[1] * 9
    turns = turns.contiguous()
    # The kernel works in place, so these are copies
    grads = [torch.clone(g, memory_format=torch.contiguous_format) for g in (grad_vertices, grad_placed, grad_world)]
    grad_local, grad_joints = torch.empty_like(local), torch.empty_like(joints)
    grad_translation, grad_turns = joints.new_empty(batch, 3), torch.empty_like(turns)
    still = _numpy(local, joints, weights.contiguous(), template.contiguous(), world, offsets)
    arrays = still + _numpy(*grads, grad_local, grad_joints, grad_translation)
    share_out(batch, offsets.shape[1], lambda first, last: kernels.pose_backward(first, last, _PARENTS, *arrays))
    with torch.autocast("cpu", enabled=False), torch.no_grad():
        grad_offsets = grads[0]
        grad_template = grad_offsets.sum(0) if of_template else grad_offsets.new_empty(0)
        grad_coefficients = grad_offsets.view(batch, directions.shape[1]) @ directions.T
        kernels.rotate_backward(0, batch, *_numpy(turns, grad_local, grad_coefficients), count, *_numpy(grad_turns))
        grad_linear = grad_coefficients[:, :count].contiguous()
        grad_linear[:, : len(joint_directions)] += grad_joints.flatten(1) @ joint_directions.T
        grad_lids = grad_offsets[:, lid_vertices]
        return grad_linear, grad_turns, grad_translation, grad_lids, grad_template, grad_joints.sum(0)


_PARENTS = np.array(PARENTS, np.int64)


def _numpy(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().numpy() for tensor in tensors]


# --- for autograd ---------------------------------------------------------------------------------------------------


class _Articulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        vertices, placed, world, offsets, joints, local = _forward(*inputs)
        ctx.save_for_backward(inputs[1], inputs[4], world, offsets, joints, local, *inputs[6:])
        return vertices, placed, world

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads: Tensor):
        found = list(_backward(*grads, *ctx.saved_tensors, of_template=ctx.needs_input_grad[4]))
        found[4] = found[4] if ctx.needs_input_grad[4] else None
        return *found, None, None, None, None


# --- for torch.compile and torch.export -----------------------------------------------------------------------------


_operator = torch.library.custom_op("emberface::articulate", _forward, mutates_args=())
_operator_backward = torch.library.custom_op("emberface::articulate_backward", _backward, mutates_args=())


@_operator.register_fake
def _(linear, turns, translation, lids, template, joint_template, *fixed, keep=True):
    batch, joints = linear.shape[0], turns.shape[1]
    offsets, placed = linear.new_empty(batch, len(template), 3), linear.new_empty(batch, joints, 3)
    world = linear.new_empty(batch, joints, 3, 3)
    return offsets, placed, world, torch.empty_like(offsets), torch.empty_like(placed), torch.empty_like(world)


@_operator_backward.register_fake
def _(grad_vertices, grad_placed, grad_world, turns, template, world, offsets, joints, local, directions,
      *fixed, of_template=True):  # fmt: skip
    batch, count = offsets.shape[0], directions.shape[0] - 9 * (turns.shape[1] - 1)
    return (
        offsets.new_empty(batch, count), torch.empty_like(turns), offsets.new_empty(batch, 3),
        offsets.new_empty(batch, len(fixed[-1]), 3), torch.empty_like(template), offsets.new_empty(joints.shape[1:]),
    )  # fmt: skip


def _save(ctx, inputs, keyword_only_inputs, output) -> None:
    _, _, world, offsets, joints, local = output
    ctx.save_for_backward(inputs[1], inputs[4], world, offsets, joints, local, *inputs[6:])


def _differentiate(ctx, *grads: Tensor):
    # the last three outputs are this function's own: nobody else has them, so they have no gradient
    return *torch.ops.emberface.articulate_backward(*grads[:3], *ctx.saved_tensors), None, None, None, None


_operator.register_autograd(_differentiate, setup_context=_save)
