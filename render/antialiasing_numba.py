"""The CPU twin of `antialias_torch`: edges are walked once an image, few pixels change; gradients by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from flame_tools.compiled import kernel
from flame_tools.threads import run_tasks
from render.buffers import scratch
from render.edges import Edges
from render.raster_numba import to_screen

COLUMNS = 6  # of a crossing: inner pixel, outer pixel, edge, line, inner to outer (+1 or -1), axis (0 rows, 1 columns)
_REALS = ("float32", "float64")


def _find_crossings(points, ends, opposite, depth, width, height, axis, owner, crossings, reaches):
    """Where outlines cross rows (axis 0) or columns (axis 1) of pixel centres: how many there are.

    Fills crossings [n, COLUMNS] and reaches [n] (pixels from the inner centre) while they have room. `owner` [pixels]
    is -1 before and after.
    """
    a = np.uintp(axis)
    b = np.uintp(1 - axis)
    lines, length = (width, height) if axis else (height, width)
    next_line, next_pixel = (1, width) if axis else (width, 1)
    room = crossings.shape[0]
    found = 0
    for e in range(ends.shape[0]):
        k = np.uintp(e)
        p = np.uintp(ends[k, 0])
        q = np.uintp(ends[k, 1])
        px = points[p, a]
        py = points[p, b]
        qy = points[q, b]
        low = max(np.ceil(min(py, qy) - 0.5), 0.0)
        high = min(np.ceil(max(py, qy) - 0.5), float(lines))
        if not low < high:  # no centre line is crossed, as most edges of small faces do not; or an end is NaN
            continue
        along = points[q, a] - px
        down = qy - py
        o = np.uintp(opposite[k, 0])
        side = along * (points[o, b] - py) - down * (points[o, a] - px)
        o = np.uintp(opposite[k, 1])
        other = along * (points[o, b] - py) - down * (points[o, a] - px)
        if not ((side >= 0.0 and other >= 0.0) or (side <= 0.0 and other <= 0.0)):
            continue
        side = other if side == 0.0 else side
        if side == 0.0:
            continue
        outward = -1 if (side > 0.0) == (down < 0.0) else 1
        for line in range(int(low), int(high)):
            t = (line + 0.5 - py) / down
            x = px + t * along
            left = np.ceil(x - 0.5) - 1.0
            if not (left >= 0.0 and left + 1.0 < length):
                continue
            inner = int(left) if outward > 0 else int(left) + 1
            i = line * next_line + inner * next_pixel
            j = i + outward * next_pixel
            z = points[p, 2] + t * (points[q, 2] - points[p, 2])
            behind = depth[np.uintp(j)]
            if not (z < behind and depth[np.uintp(i)] < behind):
                continue
            reach = (x - 0.5 - inner) * outward
            pair = np.uintp(min(i, j))
            place = owner[pair]
            if place < 0:
                place = found
                found += 1
                if place >= room:
                    continue
                owner[pair] = place
            elif not reach > reaches[np.uintp(place)]:
                continue
            n = np.uintp(place)
            reaches[n] = reach
            crossings[n, 0] = i
            crossings[n, 1] = j
            crossings[n, 2] = e
            crossings[n, 3] = line
            crossings[n, 4] = outward
            crossings[n, 5] = axis
    for k in range(min(found, room)):
        n = np.uintp(k)
        owner[np.uintp(min(crossings[n, 0], crossings[n, 1]))] = -1
    return found


_FIND = (
    "int64(float64[:,::1], int32[:,::1], int32[:,::1], {0}[::1], int64, int64, int64, int32[::1], int32[:,::1], "
    "float64[::1])"
)
find_crossings = kernel([_FIND.format(real) for real in _REALS])(_find_crossings)


def _blend(points, ends, crossings, reaches, before, after):
    """Change the pixels after [n, C] of an image, a copy of before, at its crossings."""
    for k in range(crossings.shape[0]):
        n = np.uintp(k)
        axis = np.uintp(crossings[n, 5])
        p = np.uintp(ends[np.uintp(crossings[n, 2]), 0])
        q = np.uintp(ends[np.uintp(crossings[n, 2]), 1])
        along = points[q, axis] - points[p, axis]
        down = points[q, np.uintp(1) - axis] - points[p, np.uintp(1) - axis]
        share = (reaches[n] - 0.5) * (down * down / (along * along + down * down))
        grows = 1 if share > 0.0 else 0  # past the middle: the inner pixel's surface reaches into the outer pixel
        to = np.uintp(crossings[n, np.uintp(grows)])
        of = np.uintp(crossings[n, np.uintp(1 - grows)])
        for c in range(before.shape[1]):
            m = np.uintp(c)
            after[to, m] += abs(share) * (before[of, m] - before[to, m])


_BLEND = "void(float64[:,::1], int32[:,::1], int32[:,::1], float64[::1], {0}[:,::1], {0}[:,::1])"
blend = kernel([_BLEND.format(real) for real in _REALS])(_blend)


def _blend_grad(points, clip, ends, crossings, reaches, width, height, before, grad, grad_before, grad_clip):
    """Add what blending says to grad_before [n, C], a copy of grad, and to grad_clip [V, 4]; either may be empty."""
    for k in range(crossings.shape[0]):
        n = np.uintp(k)
        axis = np.uintp(crossings[n, 5])
        across = np.uintp(1) - axis
        p = np.uintp(ends[np.uintp(crossings[n, 2]), 0])
        q = np.uintp(ends[np.uintp(crossings[n, 2]), 1])
        along = points[q, axis] - points[p, axis]
        down = points[q, across] - points[p, across]
        weight = down * down / (along * along + down * down)
        share = (reaches[n] - 0.5) * weight
        grows = 1 if share > 0.0 else 0
        to = np.uintp(crossings[n, np.uintp(grows)])
        of = np.uintp(crossings[n, np.uintp(1 - grows)])
        total = 0.0
        for c in range(before.shape[1]):
            m = np.uintp(c)
            g = np.float64(grad[to, m])
            total += g * (np.float64(before[of, m]) - np.float64(before[to, m]))
            if grad_before.shape[0] > 0:
                grad_before[of, m] += abs(share) * g
                grad_before[to, m] -= abs(share) * g
        if grad_clip.shape[0] == 0:
            continue
        # the crossing's place along the line, then its edge's ends
        g = total * weight * crossings[n, 4] * (1.0 if share > 0.0 else -1.0)
        t = (crossings[n, 3] + 0.5 - points[p, across]) / down
        for end in range(2):
            v = p if end == 0 else q
            at_end = g * ((1.0 - t) if end == 0 else t)
            over = 1.0 / clip[v, 3]
            gx = at_end
            gy = -at_end * along / down
            if axis == 1:
                gx, gy = gy, gx
            gx *= 0.5 * width * over
            gy *= -0.5 * height * over
            grad_clip[v, 0] += gx
            grad_clip[v, 1] += gy
            grad_clip[v, 3] -= (gx * clip[v, 0] + gy * clip[v, 1]) * over


_GRAD = (
    "void(float64[:,::1], float64[:,::1], int32[:,::1], int32[:,::1], float64[::1], int64, int64, {0}[:,::1], "
    "{0}[:,::1], {0}[:,::1], float64[:,::1])"
)
blend_grad = kernel([_GRAD.format(real) for real in _REALS])(_blend_grad)


def crossings_of(points, edges: Edges, depth, axis: int):
    """Crossings [n, COLUMNS] int32 and reaches [n] float64 of one image along rows or along columns."""
    height, width = depth.shape
    owner = scratch("crossing_owner", (height * width,), np.int32)
    owner.fill(-1)
    room = 4 * (height + width)
    while True:
        crossings, reaches = np.empty((room, COLUMNS), np.int32), np.empty(room)
        found = find_crossings(
            points, edges.ends, edges.opposite, depth.ravel(), width, height, axis, owner, crossings, reaches
        )
        if found <= room:
            return crossings[:found], reaches[:found]
        room = found


class AntialiasNumba(torch.autograd.Function):
    """image [B, H, W, C], clip [B, V, 4], edges, depth [B, H, W] array, threads -> [B, H, W, C]."""

    @staticmethod
    def forward(ctx, image, clip, edges, depth, threads):
        batch, height, width, channels = image.shape
        before = image.detach().contiguous()
        after = before.clone()
        wide = np.ascontiguousarray(clip.detach().numpy(), np.float64)
        depth = depth.contiguous().numpy()
        screens, crossings = np.empty((batch, wide.shape[1], 3)), [None] * batch

        def blend_one(b):
            to_screen(wide[b], width, height, screens[b])
            found = [crossings_of(screens[b], edges, depth[b], axis) for axis in (0, 1)]
            crossings[b] = tuple(np.concatenate(parts) for parts in zip(*found, strict=True))
            blend(screens[b], edges.ends, *crossings[b], *(x[b].view(-1, channels).numpy() for x in (before, after)))

        if before.numel():
            run_tasks(blend_one, [(b,) for b in range(batch)], threads)
        ctx.save_for_backward(image, clip)
        ctx.edges, ctx.screens, ctx.crossings, ctx.threads = edges, screens, crossings, threads
        return after

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        image, clip = ctx.saved_tensors
        to_image, to_clip = ctx.needs_input_grad[:2]
        batch, height, width, channels = image.shape
        before, grad = image.detach().contiguous(), grad.contiguous()
        grad_image = grad.clone() if to_image else None
        wide = np.ascontiguousarray(clip.detach().numpy(), np.float64)
        grad_clip = np.zeros(wide.shape if to_clip else (batch, 0, 4))
        none = np.empty((0, channels), before.numpy().dtype)

        def grad_one(b):
            blend_grad(
                ctx.screens[b], wide[b], ctx.edges.ends, *ctx.crossings[b], width, height,
                before[b].view(-1, channels).numpy(), grad[b].view(-1, channels).numpy(),
                grad_image[b].view(-1, channels).numpy() if to_image else none, grad_clip[b],
            )  # fmt: skip

        if before.numel():
            run_tasks(grad_one, [(b,) for b in range(batch)], ctx.threads)
        return grad_image, torch.from_numpy(grad_clip).to(clip.dtype) if to_clip else None, None, None, None
