"""The CPU twin of `interpolate_torch`, with its gradients by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from flame_tools.compiled import kernel
from flame_tools.threads import run_tasks
from render.banded import summed
from render.buffers import recycled

ROWS = 64  # of the picture a task


def _interpolate(attributes, faces, face_id, bary, out):
    """attributes [V, C] at the pixels of a band, out [rows, W, C]."""
    channels = attributes.shape[1]
    for y in range(face_id.shape[0]):
        i = np.uintp(y)
        for x in range(face_id.shape[1]):
            j = np.uintp(x)
            f = face_id[i, j]
            if f < 0:
                for k in range(channels):
                    out[i, j, np.uintp(k)] = 0.0
                continue
            t = np.uintp(f)
            a = np.uintp(faces[t, 0])
            b = np.uintp(faces[t, 1])
            c = np.uintp(faces[t, 2])
            b0 = bary[i, j, 0]
            b1 = bary[i, j, 1]
            b2 = bary[i, j, 2]
            for k in range(channels):
                n = np.uintp(k)
                out[i, j, n] = b0 * attributes[a, n] + b1 * attributes[b, n] + b2 * attributes[c, n]


def _interpolate_grad(attributes, faces, face_id, bary, grad, grad_bary, grad_attributes):
    """grad [rows, W, C] to grad_bary [rows, W, 3], written, and grad_attributes [V, C], added; either may be empty."""
    channels = attributes.shape[1]
    for y in range(face_id.shape[0]):
        i = np.uintp(y)
        for x in range(face_id.shape[1]):
            j = np.uintp(x)
            f = face_id[i, j]
            if f < 0:
                if grad_bary.shape[0] > 0:
                    for k in range(3):
                        grad_bary[i, j, np.uintp(k)] = 0.0
                continue
            t = np.uintp(f)
            a = np.uintp(faces[t, 0])
            b = np.uintp(faces[t, 1])
            c = np.uintp(faces[t, 2])
            if grad_bary.shape[0] > 0:
                g0 = 0.0
                g1 = 0.0
                g2 = 0.0
                for k in range(channels):
                    n = np.uintp(k)
                    g = np.float64(grad[i, j, n])
                    g0 += g * attributes[a, n]
                    g1 += g * attributes[b, n]
                    g2 += g * attributes[c, n]
                grad_bary[i, j, 0] = g0
                grad_bary[i, j, 1] = g1
                grad_bary[i, j, 2] = g2
            if grad_attributes.shape[0] > 0:
                b0 = np.float64(bary[i, j, 0])
                b1 = np.float64(bary[i, j, 1])
                b2 = np.float64(bary[i, j, 2])
                for k in range(channels):
                    n = np.uintp(k)
                    g = np.float64(grad[i, j, n])
                    grad_attributes[a, n] += b0 * g
                    grad_attributes[b, n] += b1 * g
                    grad_attributes[c, n] += b2 * g


_FORWARD = "void({0}[:,::1], int32[:,::1], int32[:,::1], {0}[:,:,::1], {0}[:,:,::1])"
_BACKWARD = "void({0}[:,::1], int32[:,::1], int32[:,::1], {0}[:,:,::1], {0}[:,:,::1], {0}[:,:,::1], float64[:,::1])"
_REALS = ("float32", "float64")
interpolate_kernel = kernel([_FORWARD.format(real) for real in _REALS])(_interpolate)
interpolate_grad = kernel([_BACKWARD.format(real) for real in _REALS])(_interpolate_grad)


class InterpolateNumba(torch.autograd.Function):
    """attributes [B or 1, V, C], faces [F, 3] int32 array, face_id, bary (of one dtype), threads -> [B, H, W, C]."""

    @staticmethod
    def forward(ctx, attributes, faces, face_id, bary, threads):
        values = attributes.detach().contiguous().numpy()
        ids, weights = face_id.contiguous().numpy(), bary.detach().contiguous().numpy()
        batch, height, width = ids.shape
        out = recycled((batch, height, width, values.shape[2]), values.dtype)
        shared = len(values) == 1

        def band(b, top):
            rows = slice(top, top + ROWS)
            interpolate_kernel(values[0 if shared else b], faces, ids[b, rows], weights[b, rows], out[b, rows])

        run_tasks(band, [(b, top) for b in range(batch) for top in range(0, height, ROWS)], threads)
        ctx.save_for_backward(attributes, face_id, bary)
        ctx.faces, ctx.threads = faces, threads
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        values, ids, weights = (tensor.detach().contiguous().numpy() for tensor in ctx.saved_tensors)
        to_values, to_bary = ctx.needs_input_grad[0], ctx.needs_input_grad[3]
        grad = grad.contiguous().numpy()
        batch, height, width = ids.shape
        shared = len(values) == 1
        none = np.empty((0, 0, 0), values.dtype)
        grad_bary = recycled((batch, height, width, 3), values.dtype) if to_bary else None

        def work(b, top, bottom, buffer):
            rows = slice(top, bottom)
            interpolate_grad(
                values[0 if shared else b], ctx.faces, ids[b, rows], weights[b, rows], grad[b, rows],
                grad_bary[b, rows] if to_bary else none, buffer,
            )  # fmt: skip

        grad_values = summed(work, batch, height, values.shape[1:] if to_values else (0, 0), ctx.threads)
        if to_values:
            grad_values = torch.from_numpy(grad_values.sum(0, keepdims=True) if shared else grad_values)
            grad_values = grad_values.to(ctx.saved_tensors[0].dtype)
        return (
            grad_values if to_values else None,
            None,
            None,
            torch.from_numpy(grad_bary) if to_bary else None,
            None,
        )
