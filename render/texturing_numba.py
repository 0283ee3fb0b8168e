"""The CPU twins of `texture` and `mip_level`, with gradients by hand.

A texture's levels lie one after another in one array of texels. Their gradients are gathered in one go an image, in
the order of pixels: a buffer for each band of rows would be larger than the picture.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from flame_tools.compiled import kernel
from flame_tools.threads import run_tasks
from render.buffers import recycled

ROWS = 64  # of the picture a task
_REALS = ("float32", "float64")


def _build(levels, starts, sizes):
    """Fill levels [texels, C] from its first level down: means of 2 x 2."""
    for k in range(1, sizes.shape[0]):
        before = starts[k - 1]
        width = sizes[k - 1, 1]
        for y in range(sizes[k, 0]):
            for x in range(sizes[k, 1]):
                upper = np.uintp(before + 2 * y * width + 2 * x)
                lower = upper + np.uintp(width)
                to = np.uintp(starts[k] + y * sizes[k, 1] + x)
                one = np.uintp(1)
                for c in range(levels.shape[1]):
                    m = np.uintp(c)
                    total = levels[upper, m] + levels[upper + one, m] + levels[lower, m] + levels[lower + one, m]
                    levels[to, m] = total * 0.25


def _unbuild(grad, starts, sizes):
    """The gradients of `_build`, from the last level up into the first."""
    for k in range(sizes.shape[0] - 1, 0, -1):
        before = starts[k - 1]
        width = sizes[k - 1, 1]
        for y in range(sizes[k, 0]):
            for x in range(sizes[k, 1]):
                upper = np.uintp(before + 2 * y * width + 2 * x)
                lower = upper + np.uintp(width)
                of = np.uintp(starts[k] + y * sizes[k, 1] + x)
                one = np.uintp(1)
                for c in range(grad.shape[1]):
                    m = np.uintp(c)
                    quarter = grad[of, m] * 0.25
                    grad[upper, m] += quarter
                    grad[upper + one, m] += quarter
                    grad[lower, m] += quarter
                    grad[lower + one, m] += quarter


_LEVELS = "void({0}[:,::1], int64[::1], int64[:,::1])"
build = kernel([_LEVELS.format(real) for real in _REALS])(_build)
unbuild = kernel([_LEVELS.format(real) for real in _REALS])(_unbuild)


def _sample(levels, starts, sizes, uv, level, out, grad, grad_levels, grad_uv, grad_level):
    """Read levels at uv [n, 2] and level [n] (or [0]: the first) into out [n, C], or gradients where out is [0, C].

    grad [n, C] then goes to grad_levels, added, to grad_uv [n, 2] and grad_level [n], written; each may be empty.
    """
    forward = out.shape[0] > 0
    last = sizes.shape[0] - 1
    for i in range(uv.shape[0]):
        n = np.uintp(i)
        first = 0
        blend = 0.0
        moves = False  # whether the level has a gradient: not beyond the last, nor before the first
        if level.shape[0] > 0:
            here = min(max(np.float64(level[n]), 0.0), np.float64(last))
            first = min(int(here), max(last - 1, 0))
            blend = here - first
            moves = 0.0 < level[n] < last
        if forward:
            for c in range(out.shape[1]):
                out[n, np.uintp(c)] = 0.0
        gu = 0.0
        gv = 0.0
        gl = 0.0
        for which in range(2):
            share = blend if which else 1.0 - blend
            k = min(first + which, last)
            if share == 0.0 and not (moves and not forward):
                continue
            height = sizes[k, 0]
            width = sizes[k, 1]
            x = uv[n, 0] * width - 0.5
            y = (1.0 - uv[n, 1]) * height - 0.5
            in_x = 0.0 < x < width - 1
            in_y = 0.0 < y < height - 1
            x = min(max(x, 0.0), width - 1.0) if x == x else 0.0
            y = min(max(y, 0.0), height - 1.0) if y == y else 0.0
            left = int(x)
            top = int(y)
            fx = x - left
            fy = y - top
            right = min(left + 1, width - 1)
            bottom = min(top + 1, height - 1)
            a = np.uintp(starts[k] + top * width + left)
            b = np.uintp(starts[k] + top * width + right)
            d = np.uintp(starts[k] + bottom * width + left)
            e = np.uintp(starts[k] + bottom * width + right)
            wa = (1.0 - fx) * (1.0 - fy)
            wb = fx * (1.0 - fy)
            wd = (1.0 - fx) * fy
            we = fx * fy
            if forward:
                for c in range(out.shape[1]):
                    m = np.uintp(c)
                    out[n, m] += share * (wa * levels[a, m] + wb * levels[b, m] + wd * levels[d, m] + we * levels[e, m])
                continue
            dx = 0.0
            dy = 0.0
            value = 0.0
            for c in range(grad.shape[1]):
                m = np.uintp(c)
                g = np.float64(grad[n, m])
                if grad_levels.shape[0] > 0:
                    grad_levels[a, m] += share * wa * g
                    grad_levels[b, m] += share * wb * g
                    grad_levels[d, m] += share * wd * g
                    grad_levels[e, m] += share * we * g
                la = np.float64(levels[a, m])
                lb = np.float64(levels[b, m])
                ld = np.float64(levels[d, m])
                le = np.float64(levels[e, m])
                value += g * (wa * la + wb * lb + wd * ld + we * le)
                dx += g * ((lb - la) * (1.0 - fy) + (le - ld) * fy)
                dy += g * ((ld - la) * (1.0 - fx) + (le - lb) * fx)
            gu += share * dx * width if in_x else 0.0
            gv -= share * dy * height if in_y else 0.0
            gl += value if which else -value
        if not forward:
            if grad_uv.shape[0] > 0:
                grad_uv[n, 0] = gu
                grad_uv[n, 1] = gv
            if grad_level.shape[0] > 0:
                grad_level[n] = gl if moves else 0.0


_SAMPLE = (
    "void({0}[:,::1], int64[::1], int64[:,::1], {0}[:,::1], {0}[::1], {0}[:,::1], {0}[:,::1], {0}[:,::1], "
    "{0}[:,::1], {0}[::1])"
)
sample = kernel([_SAMPLE.format(real) for real in _REALS])(_sample)


def _mip_levels(clip, faces, uv, uv_faces, face_id, top, height, level):
    """The level [rows, W] of a band that starts at `top`; uv [U, 2] in texels. See `texturing.mip_level`."""
    rows, width = face_id.shape
    for y in range(rows):
        i = np.uintp(y)
        py = 1.0 - 2.0 * (top + y + 0.5) / height
        for x in range(width):
            j = np.uintp(x)
            level[i, j] = 0.0
            if face_id[i, j] < 0:
                continue
            px = 2.0 * (x + 0.5) / width - 1.0
            t = np.uintp(face_id[i, j])
            a = np.uintp(faces[t, 0])
            b = np.uintp(faces[t, 1])
            c = np.uintp(faces[t, 2])
            aw = clip[a, 3]
            bw = clip[b, 3]
            cw = clip[c, 3]
            ax = clip[a, 0] - px * aw
            ay = clip[a, 1] - py * aw
            bx = clip[b, 0] - px * bw
            by = clip[b, 1] - py * bw
            cx = clip[c, 0] - px * cw
            cy = clip[c, 1] - py * cw
            w0 = bx * cy - by * cx
            w1 = cx * ay - cy * ax
            w2 = ax * by - ay * bx
            over = 1.0 / (w0 + w1 + w2)
            ka = np.uintp(uv_faces[t, 0])
            kb = np.uintp(uv_faces[t, 1])
            kc = np.uintp(uv_faces[t, 2])
            most = 0.0
            for way in range(2):
                # how the cross products change with the pixel: q moves by -w
                if way == 0:
                    d0 = cw * by - bw * cy
                    d1 = aw * cy - cw * ay
                    d2 = bw * ay - aw * by
                    step = 2.0 / width
                else:
                    d0 = bw * cx - cw * bx
                    d1 = cw * ax - aw * cx
                    d2 = aw * bx - bw * ax
                    step = 2.0 / height
                mean = (d0 + d1 + d2) * over
                d0 -= w0 * mean
                d1 -= w1 * mean
                d2 -= w2 * mean
                du = d0 * uv[ka, 0] + d1 * uv[kb, 0] + d2 * uv[kc, 0]
                dv = d0 * uv[ka, 1] + d1 * uv[kb, 1] + d2 * uv[kc, 1]
                most = max(most, (du * du + dv * dv) * (over * step) * (over * step))
            if 1.0 < most < np.inf:
                level[i, j] = 0.5 * np.log2(most)


_MIPS = "void(float64[:,::1], int32[:,::1], float64[:,::1], int32[:,::1], int32[:,::1], int64, int64, {0}[:,::1])"
mip_levels = kernel([_MIPS.format(real) for real in _REALS])(_mip_levels)


def mip_level_numba(clip, faces, uv, uv_faces, face_id, threads):
    """clip [B, V, 4], faces and uv_faces [F, 3] int32, uv [U, 2] float64 in texels, face_id -> level [B, H, W]."""
    batch, height, width = face_id.shape
    level = recycled((batch, height, width), clip.dtype)
    wide = np.ascontiguousarray(clip, np.float64)

    def band(b, top):
        rows = slice(top, top + ROWS)
        mip_levels(wide[b], faces, uv, uv_faces, face_id[b, rows], top, height, level[b, rows])

    run_tasks(band, [(b, top) for b in range(batch) for top in range(0, height, ROWS)], threads)
    return level


class TextureNumba(torch.autograd.Function):
    """image [B or 1, h, w, C], uv [B, H, W, 2], level [B, H, W] or None, all of one dtype, threads -> [B, H, W, C]."""

    @staticmethod
    def forward(ctx, image, uv, level, threads):
        batch, height, width, _ = uv.shape
        channels = image.shape[3]
        sizes = _sizes(image.shape[1], image.shape[2], level is not None)
        starts = np.concatenate([[0], sizes.prod(1).cumsum()])
        values = image.detach().contiguous().numpy()
        places = uv.detach().contiguous().numpy().reshape(batch, -1, 2)
        steps = None if level is None else level.detach().contiguous().numpy().reshape(batch, -1)
        if len(sizes) > 1:
            levels = np.empty((len(values), starts[-1], channels), values.dtype)
            for own, given in zip(levels, values, strict=True):
                own[: starts[1]] = given.reshape(-1, channels)
                build(own, starts, sizes)
        else:
            levels = values.reshape(len(values), -1, channels)
        out = recycled((batch, height * width, channels), values.dtype)
        one, two = np.empty(0, values.dtype), np.empty((0, 2), values.dtype)
        none = np.empty((0, channels), values.dtype)
        piece = ROWS * width

        def part(b, first):
            some = slice(first, first + piece)
            step = one if steps is None else steps[b, some]
            own = levels[b if len(levels) > 1 else 0]
            sample(own, starts, sizes, places[b, some], step, out[b, some], none, none, two, one)

        run_tasks(part, [(b, first) for b in range(batch) for first in range(0, height * width, piece)], threads)
        ctx.save_for_backward(image, uv, *([] if level is None else [level]))
        ctx.levels, ctx.starts, ctx.sizes, ctx.threads = levels, starts, sizes, threads
        return torch.from_numpy(out).view(batch, height, width, channels)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        image, uv, *level = ctx.saved_tensors
        to_image, to_uv, to_level = ctx.needs_input_grad[:3]
        batch, height, width, _ = uv.shape
        channels = image.shape[3]
        grad = grad.contiguous().numpy().reshape(batch, -1, channels)
        places = uv.detach().contiguous().numpy().reshape(batch, -1, 2)
        steps = [given.detach().contiguous().numpy().reshape(batch, -1) for given in level]
        grad_levels = np.zeros(ctx.levels.shape if to_image else (len(image), 0, channels), grad.dtype)
        grad_uv = np.zeros(places.shape if to_uv else (batch, 0, 2), grad.dtype)
        grad_level = np.zeros((batch, height * width if to_level else 0), grad.dtype)
        none = np.empty((0, channels), grad.dtype)

        def one(b):
            own = b if len(image) > 1 else 0
            step = steps[0][b] if steps else np.empty(0, grad.dtype)
            sample(ctx.levels[own], ctx.starts, ctx.sizes, places[b], step, none, grad[b], grad_levels[own],
                   grad_uv[b], grad_level[b])  # fmt: skip

        shared = to_image and len(image) < batch  # they add to one texture: in turn
        run_tasks(one, [(b,) for b in range(batch)], 1 if shared else ctx.threads)
        if to_image:
            pyramids = [(own, ctx.starts, ctx.sizes) for own in grad_levels]
            run_tasks(unbuild, pyramids, ctx.threads)
        first = grad_levels[:, : ctx.starts[1]] if to_image else None
        return (
            torch.from_numpy(first).view(image.shape) if to_image else None,
            torch.from_numpy(grad_uv).view(uv.shape) if to_uv else None,
            torch.from_numpy(grad_level).view(uv.shape[:3]) if to_level else None,
            None,
        )


def _sizes(height, width, mips):
    """Rows and columns [levels, 2] of each level, as `texturing.pyramid` halves."""
    sizes = [(height, width)]
    while mips and sizes[-1][0] % 2 == 0 and sizes[-1][1] % 2 == 0:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return np.array(sizes, np.int64)
