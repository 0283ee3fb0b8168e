"""Outlines that move: pixels on both sides of an outline are blended by where the outline runs between them.

An outline is a mesh edge whose faces lie on one side of it in the picture (or a rim, that has one face): against the
backdrop or against a farther part of the mesh. Where it crosses the line between two neighbouring pixel centres, the
nearer surface covers a share of the farther pixel or lacks a share of its own. Rows and columns of centres count with
the squared cosine of the edge's slant, so that both together see every edge once whatever its direction; of several
crossings between two centres the outermost counts. So silhouettes of triangles smaller than a pixel keep their
gradients, which a rule that looks at the seen faces alone loses (nvdiffrast's, Laine et al. 2020, section 3.6).

This file holds the verb and its definition in torch; the CPU twin is `antialiasing_numba`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import ShapeError
from render.backends import chosen
from render.edges import edges_of
from render.raster import Raster, checked_faces
from render.raster_torch import to_screen


def antialias(
    image: Tensor,  # [B, H, W, C] float32 or float64, drawn with `raster`
    raster: Raster,
    verts_clip: Tensor,  # [B, V, 4] as it was rasterized
    faces: Tensor,  # [F, 3]
    *,
    backend: str = "auto",  # "numba" (CPU) or "torch"
) -> Tensor:  # [B, H, W, C]
    """Blend pixels along outlines. Differentiable in `image` and, through the outlines, in `verts_clip`.

    Edges with an end behind the near plane, and edges of three faces or more, stay as they are; so do the lines where
    two surfaces pass through each other.
    """
    batch, height, width = raster.face_id.shape
    if (
        image.ndim != 4
        or image.shape[:3] != (batch, height, width)
        or image.dtype not in (torch.float32, torch.float64)
    ):
        raise ShapeError(
            f"image is {image.dtype} {list(image.shape)}, wanted float32 or float64 [{batch}, {height}, {width}, C]"
        )
    if verts_clip.ndim != 3 or verts_clip.shape[0] != batch or verts_clip.shape[-1] != 4:
        raise ShapeError(f"verts_clip is {list(verts_clip.shape)}, wanted [{batch}, V, 4] as it was rasterized")
    faces = checked_faces(faces, verts_clip.shape[1], "verts_clip has")
    places = {tensor.device for tensor in (image, verts_clip, raster.face_id)}
    if len(places) > 1:
        raise ShapeError(f"image, verts_clip and raster are on {sorted(map(str, places))}; move them to one device")
    home = image.device
    if home.type == "mps":  # has no float64
        image, verts_clip, raster = image.cpu(), verts_clip.cpu(), Raster(*(p.cpu() for p in vars(raster).values()))
    edges = edges_of(np.asarray(faces.cpu()))
    if chosen(backend, image.device) == "numba":
        from render.antialiasing_numba import AntialiasNumba

        return AntialiasNumba.apply(image, verts_clip, edges, raster.depth.detach(), torch.get_num_threads()).to(home)
    return antialias_torch(image, verts_clip, edges.ends, edges.opposite, raster.depth.detach()).to(home)


def antialias_torch(
    image: Tensor,  # [B, H, W, C]
    clip: Tensor,  # [B, V, 4]
    ends: np.ndarray,  # [E, 2]
    opposite: np.ndarray,  # [E, 2]
    depth: Tensor,  # [B, H, W]
) -> Tensor:  # [B, H, W, C]
    """The definition."""
    ends, opposite = (torch.from_numpy(array).to(image.device).long() for array in (ends, opposite))
    blended = []
    for picture, corners, near in zip(image, clip.double(), depth.double(), strict=True):
        points = _screen(corners, picture.shape[:2])
        before = picture.reshape(-1, picture.shape[-1])
        after = before
        index = torch.arange(len(before), device=image.device).reshape(near.shape)
        for points, near, index in ((points, near, index), (points[:, [1, 0, 2]], near.T, index.T)):  # noqa: B020
            inner, outer, share = _crossings(points, ends, opposite, near, index)
            grows = share > 0  # past the middle: the inner pixel's surface reaches into the outer pixel
            to, of = torch.where(grows, outer, inner), torch.where(grows, inner, outer)
            change = torch.where(grows, share, -share).to(image.dtype)[:, None] * (before[of] - before[to])
            after = after.index_put((to,), change, accumulate=True)
        blended.append(after.reshape(picture.shape))
    return torch.stack(blended) if blended else image


def _screen(clip, size):
    """Snapped pixels, as the rasterizer sees them, with the gradients of unsnapped ones."""
    height, width = size
    with torch.no_grad():
        points = to_screen(clip, size)
    x, y, _, w = torch.where(points[:, :1].isnan(), clip.new_tensor([0.0, 0.0, 0.0, 1.0]), clip).unbind(-1)
    plain = torch.stack([(x / w * 0.5 + 0.5) * width, (0.5 - y / w * 0.5) * height, points[:, 2]], -1)
    return points + torch.nan_to_num(plain - plain.detach())


def _crossings(points, ends, opposite, depth, index):
    """Along rows: inner and outer pixels [n] (of `index` [H, W]), and by how much the inner one's surface covers more
    than its own half of the way between their centres, [n] in [-0.5, 0.5], times the edge's weight."""
    height, width = depth.shape
    p, q = points[ends[:, 0]], points[ends[:, 1]]
    with torch.no_grad():
        along, down, _ = (q - p).unbind(-1)
        side, other = (along * (points[o, 1] - p[:, 1]) - down * (points[o, 0] - p[:, 0]) for o in opposite.T)
        outline = ((side >= 0) & (other >= 0)) | ((side <= 0) & (other <= 0))
        side = torch.where(side == 0, other, side)
        low = (torch.minimum(p[:, 1], q[:, 1]) - 0.5).ceil().clamp(min=0)
        high = (torch.maximum(p[:, 1], q[:, 1]) - 0.5).ceil().clamp(max=height)  # rows low <= r < high
        count = torch.where(outline & (side != 0) & (low < high), high - low, 0.0).long()
        e = torch.repeat_interleave(count)
        row = torch.arange(len(e), device=e.device) - (count.cumsum(0) - count)[e] + low[e].long()
    t = (row + 0.5 - p[e, 1]) / (q[e, 1] - p[e, 1])
    x = p[e, 0] + t * (q[e, 0] - p[e, 0])
    with torch.no_grad():
        z = p[e, 2] + t * (q[e, 2] - p[e, 2])
        left = (x - 0.5).ceil() - 1  # a centre on the line belongs to the right, as where the rasterizer draws
        hit = (left >= 0) & (left + 1 < width)
        left = left.clamp(0, max(width - 2, 0)).long()
        rightward = ((side > 0) == (down < 0))[e]  # the surface lies to the right of the edge
        inner = torch.where(rightward, left + 1, left).clamp(max=width - 1)
        outer = torch.where(rightward, left, left + 1).clamp(max=width - 1)
        behind = depth[row, outer]
        hit &= (z < behind) & (depth[row, inner] < behind)  # the edge is seen, and its surface beside it
        e, row, inner, outer, pair, reach = (
            value[hit] for value in (e, row, inner, outer, row * width + left, (x - 0.5 - inner) * (outer - inner))
        )
        best = reach.new_full((height * width,), -torch.inf).scatter_reduce_(0, pair, reach, "amax")
        wins = reach == best[pair]
        lowest = pair.new_full((height * width,), len(ends)).scatter_reduce_(0, pair[wins], e[wins], "amin")
        wins &= lowest[pair] == e
        e, row, inner, outer = (value[wins] for value in (e, row, inner, outer))
        weight = down[e] ** 2 / (along[e] ** 2 + down[e] ** 2)
    share = ((x[hit][wins] - 0.5 - inner) * (outer - inner) - 0.5) * weight
    return index[row, inner], index[row, outer], share
