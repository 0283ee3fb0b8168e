"""The rasterizer's definition in plain torch: which face each pixel centre sees, and where on it.

Gradients are those of the unsnapped geometry, at the face that a pixel sees: barycentrics and depth move with the
corners in clip space, also where a corner lies behind the near plane. Which face is seen has no gradient: that is
`antialias`'s part.

Screen coordinates are snapped to 1/16384 pixel in float64. Within 4096 pixels every edge function is then exact
(at most 53 bits), so shared edges neither crack nor overlap, with or without fused multiply-adds; beyond, the two
sides of an edge still compute exact negatives of each other. A pixel centre on an edge belongs to the face whose top
or left edge it is. The nearest ndc z wins, the lower face id on equal z. Any device; the CPU twin is `raster_numba`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from render.clipping import MIN_W, clip_near

SNAP = 16384.0  # steps a pixel
FAR_AWAY = 1e12  # pixels; a vertex beyond cannot be used
ABOVE_ZERO = 1e-300  # e >= ABOVE_ZERO means e > 0: edge functions are sums of multiples of 1 / SNAP^2
PAIRS = 1 << 22  # (triangle, pixel) pairs looked at in one go: about 0.5 GB


def rasterize_torch(
    clip: Tensor,  # [B, V, 4] float32 or float64
    faces: Tensor,  # [F, 3] integers
    size: tuple[int, int],  # height, width
    *,
    draw=None,  # what finds the faces, another backend's; None: draw_torch
) -> tuple[Tensor, Tensor, Tensor]:
    """face_id [B, H, W] int32 (-1 empty), bary [B, H, W, 3], depth [B, H, W] (ndc z, +inf empty), in clip's dtype."""
    wide, faces = clip.double(), faces.long()
    with torch.no_grad():
        depth, face_id = (draw or draw_torch)(wide, faces, size)
    bary, depth = surface(wide, faces, face_id, depth)
    return face_id, bary.to(clip.dtype), depth.to(clip.dtype)


def draw_torch(
    clip: Tensor,  # [B, V, 4] float64
    faces: Tensor,  # [F, 3] int64
    size: tuple[int, int],  # height, width
    *,
    pairs: int = PAIRS,
) -> tuple[Tensor, Tensor]:  # depth [B, H, W] float64, face_id [B, H, W] int32
    """Every (face, pixel of its box), some millions at a time; the nearest wins."""
    drawn = [_draw(image, faces, size, pairs) for image in clip]
    if not drawn:
        return clip.new_zeros(0, *size), clip.new_zeros(0, *size, dtype=torch.int32)
    return tuple(torch.stack(parts) for parts in zip(*drawn, strict=True))


def to_screen(
    clip: Tensor,  # [V, 4] float64
    size: tuple[int, int],  # height, width
) -> Tensor:  # [V, 3] x px, y px, ndc z; NaN where a vertex is behind the near plane or not finite
    """Clip space to snapped pixels."""
    height, width = size
    x, y, z, w = clip.unbind(-1)
    x = torch.round((x / w * 0.5 + 0.5) * width * SNAP) / SNAP
    y = torch.round((0.5 - y / w * 0.5) * height * SNAP) / SNAP
    usable = (
        (w >= MIN_W) & (w < torch.inf) & (z >= -w) & (x.abs() < FAR_AWAY) & (y.abs() < FAR_AWAY) & (z / w < torch.inf)
    )
    return torch.where(usable[:, None], torch.stack([x, y, z / w], -1), torch.nan)


def screen_triangles(
    clip: Tensor,  # [V, 4] float64, one image
    faces: Tensor,  # [F, 3] int64
    size: tuple[int, int],  # height, width
):  # corners [T, 3, 3] (x px, y px, ndc z), wound alike; area [T], doubled; names [T]; low and high [T, 2] x, y pixels
    """What is to be drawn: faces with an area and a box in the picture, cut at the near plane; the faces' names."""
    height, width = size
    points = to_screen(clip, size)
    corners, names = points[faces], torch.arange(len(faces), device=clip.device)
    if bool(points[:, 0].isnan().any()):
        cut, more = clip_near(clip.cpu().numpy(), faces.cpu().numpy())
        cut = to_screen(torch.from_numpy(cut).to(clip.device).reshape(-1, 4), size).reshape(-1, 3, 3)
        corners, names = torch.cat([corners, cut]), torch.cat([names, torch.from_numpy(more).to(names)])
    a, b, c = corners.unbind(1)
    area = (a[:, 0] - c[:, 0]) * (b[:, 1] - c[:, 1]) - (a[:, 1] - c[:, 1]) * (b[:, 0] - c[:, 0])
    low = corners[..., :2].amin(1).sub(0.5).ceil().clamp(min=0)
    high = torch.minimum(corners[..., :2].amax(1).sub(0.5).floor(), area.new_tensor([width - 1.0, height - 1.0]))
    keep = ((area > 0) | (area < 0)) & (low <= high).all(1)
    a, b, c, area, names = (value[keep] for value in (a, b, c, area, names))
    turned = (area < 0)[:, None]
    corners = torch.stack([a, torch.where(turned, c, b), torch.where(turned, b, c)], 1)
    return corners, area.abs(), names, low[keep].long(), high[keep].long()


def _draw(clip, faces, size, pairs):
    """One image: depth [H, W] float64 and face_id [H, W] int32."""
    height, width = size
    device = clip.device
    depth = torch.full((height * width,), torch.inf, dtype=torch.float64, device=device)
    face_id = torch.full((height * width,), len(faces), dtype=torch.int64, device=device)
    corners, area, names, low, high = screen_triangles(clip, faces, size)
    a, b, c = corners.unbind(1)
    over = 1.0 / area

    # E(p) = A px + B py + C, positive inside; edge k faces corner k
    edges, thresholds = [], []
    for p, q in ((b, c), (c, a), (a, b)):
        along, down = p[:, 1] - q[:, 1], q[:, 0] - p[:, 0]
        edges.append((along, down, p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]))
        top_left = (along > 0) | ((along == 0) & (down > 0))
        thresholds.append(torch.where(top_left, 0.0, area.new_tensor(ABOVE_ZERO)))
    z = [corner[:, 2] * over for corner in (a, b, c)]

    span = high - low + 1
    ends = (span[:, 0] * span[:, 1]).cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, pairs):
        pair = torch.arange(start, min(start + pairs, total), device=device)
        t = torch.searchsorted(ends, pair, right=True)
        inside_box = pair - (ends[t] - span[t, 0] * span[t, 1])
        x = low[t, 0] + inside_box % span[t, 0]
        y = low[t, 1] + inside_box // span[t, 0]
        px, py = x + 0.5, y + 0.5
        e = [along[t] * px + (down[t] * py + constant[t]) for along, down, constant in edges]
        hit = (e[0] >= thresholds[0][t]) & (e[1] >= thresholds[1][t]) & (e[2] >= thresholds[2][t])
        t, pixel = t[hit], (y * width + x)[hit]
        e = [value[hit] for value in e]
        near = e[0] * z[0][t] + e[1] * z[1][t] + e[2] * z[2][t]
        before = depth.clone()
        depth.scatter_reduce_(0, pixel, near, "amin")
        face_id[depth < before] = len(faces)
        wins = near == depth[pixel]
        face_id.scatter_reduce_(0, pixel[wins], names[t[wins]], "amin")
    face_id[face_id == len(faces)] = -1
    return depth.reshape(height, width), face_id.reshape(height, width).int()


def surface(
    clip: Tensor,  # [B, V, 4] float64
    faces: Tensor,  # [F, 3] int64
    face_id: Tensor,  # [B, H, W], -1 where empty
    depth: Tensor,  # [B, H, W] float64 ndc z of the snapped faces, +inf where empty
) -> tuple[Tensor, Tensor]:  # bary [B, H, W, 3], zero where empty, and depth, both with gradients to clip
    """Perspective-correct barycentrics, from clip space without a division by w (Olano and Greer 1997).

    With q = xy - pixel * w, the weight of a corner is the cross product of the other two q.
    """
    height, width = face_id.shape[1:]
    image, y, x = torch.where(face_id >= 0)
    corners = clip[image[:, None], faces[face_id[image, y, x].long()]]  # [n, 3, 4]
    px = 2.0 * (x + 0.5).double() / width - 1.0
    py = 1.0 - 2.0 * (y + 0.5).double() / height
    qx = corners[..., 0] - px[:, None] * corners[..., 3]
    qy = corners[..., 1] - py[:, None] * corners[..., 3]
    following, last = [1, 2, 0], [2, 0, 1]
    weights = qx[:, following] * qy[:, last] - qy[:, following] * qx[:, last]
    sums = weights[:, 0] + weights[:, 1] + weights[:, 2]
    with torch.no_grad():
        plain = weights * (1.0 / sums)[:, None]
        held = plain.clamp(min=0)  # snapping may leave a pixel a hair outside: hold it inside
        total = held[:, 0] + held[:, 1] + held[:, 2]
        told = ((1.0 / sums).abs() < torch.inf) & (total > 0) & (total < torch.inf)
        held = torch.where(told[:, None], held / total[:, None], 1.0 / 3.0)  # a sliver thinner than float64 can tell
        held = torch.where((plain >= 0).all(1)[:, None], plain, held)
    if clip.requires_grad:  # the gradients of what was neither held nor snapped; none on slivers that cannot be told
        plain = weights * torch.where(told, 1.0 / torch.where(told, sums, 1.0), 0.0)[:, None]
        held = held + (plain - plain.detach())
        z, w = ((plain * corners[..., k]).sum(1) for k in (2, 3))
        near = torch.where(told, z / torch.where(told, w, 1.0), 0.0)
        depth = depth.index_put((image, y, x), near - near.detach(), accumulate=True)
    bary = clip.new_zeros(*face_id.shape, 3)
    return bary.index_put((image, y, x), held), depth
