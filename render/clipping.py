"""Near-plane clipping of the few faces that cross it, in clip space. Shared by the rasterizer's backends."""

from __future__ import annotations

import numpy as np

MIN_W = 1e-8


def clip_near(
    clip: np.ndarray,  # [V, 4] float64
    faces: np.ndarray,  # [F, 3] int32
) -> tuple[np.ndarray, np.ndarray]:  # cut triangles [n, 3, 4] and the face of each [n] int32, ascending
    """Cut the faces that lie partly behind `z = -w` or `w = 0`; whole, hidden and not finite ones are left out."""
    finite = np.isfinite(clip).all(1)
    front = finite & _inside(clip, "w") & _inside(clip, "z")
    crossing = front[faces].sum(1) < 3
    crossing &= finite[faces].all(1)
    names = np.flatnonzero(crossing).astype(np.int32)
    triangles = clip[faces[names]]
    for plane in "wz":
        triangles, names = _cut(triangles, names, plane)
    order = np.argsort(names, kind="stable")
    return triangles[order], names[order]


def _distance(points, plane):
    return points[..., 3] - MIN_W if plane == "w" else points[..., 2] + points[..., 3]


def _inside(points, plane):
    return points[..., 3] >= MIN_W if plane == "w" else points[..., 2] >= -points[..., 3]


def _crossing_point(inside, outside, plane):
    """Where an edge meets the plane, always walked from inside to outside: neighbours get the same bits."""
    start, end = _distance(inside, plane), _distance(outside, plane)
    share = (start / (start - end))[:, None]
    point = inside + share * (outside - inside)
    # exactly on the plane, so that rounding never puts it behind
    if plane == "w":
        point[:, 3] = np.maximum(point[:, 3], MIN_W)
    else:
        point[:, 2] = np.maximum(point[:, 2], -point[:, 3])
    return point


def _cut(triangles, names, plane):
    inside = _inside(triangles, plane)
    count = inside.sum(1)
    out, out_names = [triangles[count == 3]], [names[count == 3]]

    def turned(select, lone):  # rotate each triangle so that its lone vertex comes first; winding stays
        first = np.argmax(lone[select], 1)
        order = (first[:, None] + np.arange(3)) % 3
        chosen = np.take_along_axis(triangles[select], order[:, :, None], 1)
        return chosen[:, 0], chosen[:, 1], chosen[:, 2]

    one = count == 1
    if one.any():
        a, b, c = turned(one, inside)
        out.append(np.stack([a, _crossing_point(a, b, plane), _crossing_point(a, c, plane)], 1))
        out_names.append(names[one])
    two = count == 2
    if two.any():
        a, b, c = turned(two, ~inside)
        ab, ac = _crossing_point(b, a, plane), _crossing_point(c, a, plane)
        out += [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)]
        out_names += [names[two], names[two]]
    return np.concatenate(out), np.concatenate(out_names)
