"""The CPU twin of `raster_torch`: numba kernels, one image and one band of rows at a time, without the GIL.

Indices are cast to `np.uintp`: no wrap-around test for negative ones. Pixels of one band are cleared, filled and given
barycentrics by the same task, while they are in cache.
"""

from __future__ import annotations

import numpy as np

from flame_tools.compiled import kernel
from flame_tools.threads import run_tasks
from render.buffers import recycled, scratch
from render.clipping import clip_near
from render.raster_torch import ABOVE_ZERO, FAR_AWAY, MIN_W, SNAP


@kernel("int64(float64[:,::1], int64, int64, float64[:,::1])")
def to_screen(clip, width, height, points):
    """Clip [V, 4] to (x px, y px, ndc z) [V, 3]; vertices behind the near plane or not finite become NaN, counted."""
    unusable = 0
    for v in range(clip.shape[0]):
        i = np.uintp(v)
        w = clip[i, 3]
        z = clip[i, 2]
        points[i, 0] = np.nan
        if w >= MIN_W and w < np.inf and z >= -w:
            x = np.rint((clip[i, 0] / w * 0.5 + 0.5) * width * SNAP) / SNAP
            y = np.rint((0.5 - clip[i, 1] / w * 0.5) * height * SNAP) / SNAP
            z = z / w
            if abs(x) < FAR_AWAY and abs(y) < FAR_AWAY and z < np.inf:
                points[i, 0] = x
                points[i, 1] = y
                points[i, 2] = z
                continue
        unusable += 1
    return unusable


@kernel("void(float64[:,::1], int32[:,::1], int32[::1], int64, float64[:,::1], int32[:,::1])")
def fill(points, triangles, names, top, depth, face_id):
    """Draw triangles into a band of rows that starts at `top`: nearest z wins, the lower name on equal z.

    `names` [n] gives the face of each triangle; when it is empty, a triangle's index is its name.
    """
    rows, width = depth.shape
    named = names.shape[0] > 0
    for t in range(triangles.shape[0]):
        a = np.uintp(triangles[t, 0])
        b = np.uintp(triangles[t, 1])
        c = np.uintp(triangles[t, 2])
        ay = points[a, 1]
        by = points[b, 1]
        cy = points[c, 1]
        low = max(np.ceil(min(ay, by, cy) - 0.5), top)
        high = min(np.floor(max(ay, by, cy) - 0.5), top + rows - 1)
        if not low <= high:  # most triangles lie beyond a band
            continue
        ax = points[a, 0]
        bx = points[b, 0]
        cx = points[c, 0]
        area = (ax - cx) * (by - cy) - (ay - cy) * (bx - cx)
        if not (area > 0.0 or area < 0.0):  # degenerate, or NaN: a vertex that cannot be used
            continue
        left = max(np.ceil(min(ax, bx, cx) - 0.5), 0.0)
        right = min(np.floor(max(ax, bx, cx) - 0.5), width - 1.0)
        if left > right:
            continue
        az = points[a, 2]
        bz = points[b, 2]
        cz = points[c, 2]
        if area < 0.0:
            bx, cx = cx, bx
            by, cy = cy, by
            bz, cz = cz, bz
            area = -area
        # E(p) = A px + B py + C, positive inside; edge 0 faces vertex a
        a0 = by - cy
        b0 = cx - bx
        c0 = bx * cy - by * cx
        a1 = cy - ay
        b1 = ax - cx
        c1 = cx * ay - cy * ax
        a2 = ay - by
        b2 = bx - ax
        c2 = ax * by - ay * bx
        # top-left rule: a pixel centre on an edge belongs to the triangle whose top or left edge it is
        t0 = 0.0 if a0 > 0.0 or (a0 == 0.0 and b0 > 0.0) else ABOVE_ZERO
        t1 = 0.0 if a1 > 0.0 or (a1 == 0.0 and b1 > 0.0) else ABOVE_ZERO
        t2 = 0.0 if a2 > 0.0 or (a2 == 0.0 and b2 > 0.0) else ABOVE_ZERO
        over = 1.0 / area
        az *= over
        bz *= over
        cz *= over
        name = names[t] if named else np.int32(t)
        x0 = int(left)
        x1 = int(right) + 1
        for y in range(int(low), int(high) + 1):
            row = np.uintp(y - top)
            py = y + 0.5
            r0 = b0 * py + c0
            r1 = b1 * py + c1
            r2 = b2 * py + c2
            for x in range(x0, x1):
                px = x + 0.5
                e0 = a0 * px + r0
                e1 = a1 * px + r1
                e2 = a2 * px + r2
                z = e0 * az + e1 * bz + e2 * cz
                # no branch: what a small triangle covers cannot be predicted, and rows become vectors
                column = np.uintp(x)
                before = depth[row, column]
                who = face_id[row, column]
                inside = (e0 >= t0) & (e1 >= t1) & (e2 >= t2)
                wins = inside & ((z < before) | ((z == before) & (name < who)))
                depth[row, column] = z if wins else before
                face_id[row, column] = name if wins else who


def _barycentrics(clip, faces, top, height, depth, face_id, bary, depth_out):
    """Perspective-correct barycentrics of the winning pixels of a band, from clip space (no division by w needed).

    With q = xy - pixel * w, the weight of a vertex is the cross product of the other two q (Olano and Greer 1997).
    """
    rows, width = face_id.shape
    for y in range(rows):
        i = np.uintp(y)
        py = 1.0 - 2.0 * (top + y + 0.5) / height
        for x in range(width):
            j = np.uintp(x)
            f = face_id[i, j]
            depth_out[i, j] = depth[i, j]
            if f < 0:
                bary[i, j, 0] = 0.0
                bary[i, j, 1] = 0.0
                bary[i, j, 2] = 0.0
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
            if not (b0 >= 0.0 and b1 >= 0.0 and b2 >= 0.0):  # snapping left the pixel a hair outside: hold it inside
                b0 = max(b0, 0.0)
                b1 = max(b1, 0.0)
                b2 = max(b2, 0.0)
                total = b0 + b1 + b2
                if not (abs(over) < np.inf and total > 0.0 and total < np.inf):  # a sliver thinner than float64 tells
                    b0 = b1 = b2 = 1.0
                    total = 3.0
                b0 /= total
                b1 /= total
                b2 /= total
            bary[i, j, 0] = b0
            bary[i, j, 1] = b1
            bary[i, j, 2] = b2


_TAIL = "(float64[:,::1], int32[:,::1], int64, int64, float64[:,::1], int32[:,::1], {0}[:,:,::1], {0}[:,::1])"
barycentrics = kernel(["void" + _TAIL.format("float32"), "void" + _TAIL.format("float64")])(_barycentrics)


def screen_triangles(
    clip: np.ndarray,  # [V, 4] float64
    faces: np.ndarray,  # [F, 3] int32
    size: tuple[int, int],  # height, width
    points: np.ndarray,  # [V, 3] float64, written
):
    """Points [P, 3], triangles [n, 3] and names [n] (or [0]) for `fill`, cut at the near plane where needed."""
    height, width = size
    no_names = np.empty(0, np.int32)
    if not to_screen(clip, width, height, points):
        return points, faces, no_names
    cut, names = clip_near(clip, faces)
    if not len(names):
        return points, faces, no_names
    more = np.empty((cut.shape[0] * 3, 3))
    to_screen(np.ascontiguousarray(cut.reshape(-1, 4)), width, height, more)
    added = np.arange(len(points), len(points) + len(more), dtype=np.int32).reshape(-1, 3)
    all_names = np.concatenate([np.arange(len(faces), dtype=np.int32), names])
    return np.concatenate([points, more]), np.concatenate([faces, added]), all_names


def rasterize_numba(
    clip: np.ndarray,  # [B, V, 4] float32 or float64
    faces: np.ndarray,  # [F, 3] int32
    size: tuple[int, int],  # height, width
    *,
    threads: int = 1,
):
    """face_id [B, H, W] int32, bary [B, H, W, 3], depth [B, H, W] (ndc z, +inf where empty), in clip's dtype."""
    height, width = size
    batch = len(clip)
    face_id = recycled((batch, height, width), np.int32)
    bary = recycled((batch, height, width, 3), clip.dtype)
    depth = recycled((batch, height, width), clip.dtype)
    wide = np.ascontiguousarray(clip, np.float64)
    points = np.empty((batch, clip.shape[1], 3)) if batch > 1 else scratch("points", (1, clip.shape[1], 3))
    prepared = [screen_triangles(wide[b], faces, size, points[b]) for b in range(batch)]
    bands = 1 if threads <= 1 else max(1, min(-(-4 * threads // max(batch, 1)), height // 16))
    edges = [height * k // bands for k in range(bands + 1)]

    def band(b, top, bottom):
        z = scratch("z", (bottom - top, width))
        z.fill(np.inf)
        ids = face_id[b, top:bottom]
        ids.fill(-1)
        fill(*prepared[b], top, z, ids)
        barycentrics(wide[b], faces, top, height, z, ids, bary[b, top:bottom], depth[b, top:bottom])

    run_tasks(band, [(b, edges[k], edges[k + 1]) for b in range(batch) for k in range(bands)], threads)
    return face_id, bary, depth
