"""The numba rasterizer with gradients: those of the torch definition, by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from flame_tools.compiled import kernel
from render.banded import summed
from render.raster_numba import rasterize_numba


def _surface_grad(clip, faces, face_id, top, height, grad_bary, grad_depth, grad):
    """Add to grad [V, 4] what a band of rows that starts at `top` says; grad_depth may be [0, 0]: none.

    With q = xy - pixel * w and W the cross products of q, bary = W / sum W, depth = bary . z / bary . w.
    """
    rows, width = face_id.shape
    deep = grad_depth.shape[0] > 0
    for y in range(rows):
        i = np.uintp(y)
        py = 1.0 - 2.0 * (top + y + 0.5) / height
        for x in range(width):
            j = np.uintp(x)
            f = face_id[i, j]
            if f < 0:
                continue
            g0 = np.float64(grad_bary[i, j, 0])
            g1 = np.float64(grad_bary[i, j, 1])
            g2 = np.float64(grad_bary[i, j, 2])
            gd = np.float64(grad_depth[i, j]) if deep else 0.0
            if g0 == 0.0 and g1 == 0.0 and g2 == 0.0 and gd == 0.0:
                continue
            px = 2.0 * (x + 0.5) / width - 1.0
            t = np.uintp(f)
            a = np.uintp(faces[t, 0])
            b = np.uintp(faces[t, 1])
            c = np.uintp(faces[t, 2])
            ax = clip[a, 0] - px * clip[a, 3]
            ay = clip[a, 1] - py * clip[a, 3]
            bx = clip[b, 0] - px * clip[b, 3]
            by = clip[b, 1] - py * clip[b, 3]
            cx = clip[c, 0] - px * clip[c, 3]
            cy = clip[c, 1] - py * clip[c, 3]
            w0 = bx * cy - by * cx
            w1 = cx * ay - cy * ax
            w2 = ax * by - ay * bx
            over = 1.0 / (w0 + w1 + w2)
            b0 = w0 * over
            b1 = w1 * over
            b2 = w2 * over
            total = max(b0, 0.0) + max(b1, 0.0) + max(b2, 0.0)
            if not (abs(over) < np.inf and total > 0.0 and total < np.inf):  # a sliver thinner than float64 can tell
                continue
            if gd != 0.0:
                gd /= b0 * clip[a, 3] + b1 * clip[b, 3] + b2 * clip[c, 3]
                gw = gd * (b0 * clip[a, 2] + b1 * clip[b, 2] + b2 * clip[c, 2])
                gw /= b0 * clip[a, 3] + b1 * clip[b, 3] + b2 * clip[c, 3]
                g0 += gd * clip[a, 2] - gw * clip[a, 3]
                g1 += gd * clip[b, 2] - gw * clip[b, 3]
                g2 += gd * clip[c, 2] - gw * clip[c, 3]
                grad[a, 2] += gd * b0
                grad[b, 2] += gd * b1
                grad[c, 2] += gd * b2
                grad[a, 3] -= gw * b0
                grad[b, 3] -= gw * b1
                grad[c, 3] -= gw * b2
            mean = g0 * b0 + g1 * b1 + g2 * b2
            g0 = (g0 - mean) * over
            g1 = (g1 - mean) * over
            g2 = (g2 - mean) * over
            gax = g2 * by - g1 * cy
            gay = g1 * cx - g2 * bx
            gbx = g0 * cy - g2 * ay
            gby = g2 * ax - g0 * cx
            gcx = g1 * ay - g0 * by
            gcy = g0 * bx - g1 * ax
            grad[a, 0] += gax
            grad[a, 1] += gay
            grad[a, 3] -= px * gax + py * gay
            grad[b, 0] += gbx
            grad[b, 1] += gby
            grad[b, 3] -= px * gbx + py * gby
            grad[c, 0] += gcx
            grad[c, 1] += gcy
            grad[c, 3] -= px * gcx + py * gcy


_TYPES = "void(float64[:,::1], int32[:,::1], int32[:,::1], int64, int64, {0}[:,:,::1], {0}[:,::1], float64[:,::1])"
surface_grad = kernel([_TYPES.format("float32"), _TYPES.format("float64")])(_surface_grad)


class RasterizeNumba(torch.autograd.Function):
    """clip [B, V, 4], faces [F, 3] int32 array, size, threads -> face_id, bary, depth."""

    @staticmethod
    def forward(ctx, clip, faces, size, threads):
        results = rasterize_numba(clip.detach().contiguous().numpy(), faces, size, threads=threads)
        face_id, bary, depth = (torch.from_numpy(array) for array in results)
        ctx.save_for_backward(clip, face_id)
        ctx.faces, ctx.threads = faces, threads
        ctx.mark_non_differentiable(face_id)
        ctx.set_materialize_grads(False)
        return face_id, bary, depth

    @staticmethod
    @once_differentiable
    def backward(ctx, _, grad_bary, grad_depth):
        clip, face_id = ctx.saved_tensors
        batch, height, _ = face_id.shape
        if grad_bary is None and grad_depth is None:
            return None, None, None, None
        if grad_bary is None:
            grad_bary = torch.zeros((), dtype=clip.dtype).expand(*face_id.shape, 3)
        grad_bary = grad_bary.contiguous().numpy()
        no_depth = np.empty((0, 0), grad_bary.dtype)
        grad_depth = None if grad_depth is None else grad_depth.contiguous().numpy()
        wide = np.ascontiguousarray(clip.detach().numpy(), np.float64)
        ids = face_id.numpy()

        def work(b, top, bottom, buffer):
            deep = no_depth if grad_depth is None else grad_depth[b, top:bottom]
            surface_grad(wide[b], ctx.faces, ids[b, top:bottom], top, height, grad_bary[b, top:bottom], deep, buffer)

        grad = summed(work, batch, height, wide.shape[1:], ctx.threads)
        return torch.from_numpy(grad).to(clip.dtype), None, None, None
