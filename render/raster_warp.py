"""The rasterizer's faces by warp, on CUDA or the CPU: a thread a triangle, twice over its box, with atomic minima.

The first pass finds the nearest z of each pixel, the second the lowest name at that z: the order of threads changes
nothing. Multiply-adds are not fused, so that results equal `raster_torch`'s bit for bit.
"""

import torch
import warp as wp

from render.raster_torch import ABOVE_ZERO, screen_triangles

wp.config.quiet = True  # else it prints where it keeps its kernels; newer versions ask for a level
wp.config.log_level = getattr(wp, "LOG_ERROR", 40)
wp.init()
wp.set_module_options({"enable_backward": False, "fuse_fp": False})


@wp.kernel
def draw_triangles(
    corners: wp.array2d(dtype=wp.vec3d),  # [T, 3]
    area: wp.array(dtype=wp.float64),
    names: wp.array(dtype=wp.int32),
    low: wp.array2d(dtype=wp.int32),  # [T, 2] x, y
    high: wp.array2d(dtype=wp.int32),
    naming: bool,  # the second pass
    depth: wp.array2d(dtype=wp.float64),
    face_id: wp.array2d(dtype=wp.int32),
):
    t = wp.tid()
    a = corners[t, 0]
    b = corners[t, 1]
    c = corners[t, 2]
    half = wp.float64(0.5)
    zero = wp.float64(0.0)
    above = wp.float64(ABOVE_ZERO)
    a0 = b[1] - c[1]
    b0 = c[0] - b[0]
    c0 = b[0] * c[1] - b[1] * c[0]
    a1 = c[1] - a[1]
    b1 = a[0] - c[0]
    c1 = c[0] * a[1] - c[1] * a[0]
    a2 = a[1] - b[1]
    b2 = b[0] - a[0]
    c2 = a[0] * b[1] - a[1] * b[0]
    # top-left rule: a pixel centre on an edge belongs to the triangle whose top or left edge it is
    t0 = wp.where(a0 > zero or (a0 == zero and b0 > zero), zero, above)
    t1 = wp.where(a1 > zero or (a1 == zero and b1 > zero), zero, above)
    t2 = wp.where(a2 > zero or (a2 == zero and b2 > zero), zero, above)
    over = wp.float64(1.0) / area[t]
    az = a[2] * over
    bz = b[2] * over
    cz = c[2] * over
    for y in range(low[t, 1], high[t, 1] + 1):
        py = wp.float64(y) + half
        for x in range(low[t, 0], high[t, 0] + 1):
            px = wp.float64(x) + half
            e0 = a0 * px + (b0 * py + c0)
            e1 = a1 * px + (b1 * py + c1)
            e2 = a2 * px + (b2 * py + c2)
            if e0 >= t0 and e1 >= t1 and e2 >= t2:
                z = e0 * az + e1 * bz + e2 * cz
                if not naming:
                    wp.atomic_min(depth, y, x, z)
                elif z == depth[y, x]:
                    wp.atomic_min(face_id, y, x, names[t])


def draw_warp(
    clip: torch.Tensor,  # [B, V, 4] float64
    faces: torch.Tensor,  # [F, 3] int64
    size: tuple[int, int],  # height, width
):  # depth [B, H, W] float64, face_id [B, H, W] int32
    """What `raster_torch.draw_torch` gives."""
    depth = torch.full((len(clip), *size), torch.inf, dtype=torch.float64, device=clip.device)
    face_id = torch.full((len(clip), *size), len(faces), dtype=torch.int32, device=clip.device)
    device = wp.device_from_torch(clip.device)
    for image, z, ids in zip(clip, depth, face_id, strict=True):
        corners, area, names, low, high = screen_triangles(image, faces, size)
        if not len(names):
            continue
        given = [
            wp.from_torch(corners.contiguous(), dtype=wp.vec3d), wp.from_torch(area.contiguous()),
            *(wp.from_torch(value.int().contiguous()) for value in (names, low, high)),
        ]  # fmt: skip
        targets = [wp.from_torch(z), wp.from_torch(ids)]
        stream = wp.stream_from_torch(torch.cuda.current_stream(clip.device)) if clip.is_cuda else None
        for naming in (False, True):
            wp.launch(draw_triangles, len(names), [*given, naming], targets, device=device, stream=stream)
    face_id[face_id == len(faces)] = -1
    return depth, face_id
