"""How much light reaches a vertex: sky at rest (once per head), key lamp, mouth through its opening, eyes under lids.

Lengths in metres, head at rest facing +z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.compiled import kernel
from flame_tools.smooth import smooth_step
from render.buffers import scratch

_MAP = 192  # pixels a side of a depth map
_LIFT_M = 0.0015  # a vertex looks out from this far above its surface


@kernel("void(float32[:,::1], int32[::1], int32[::1], float32[::1])", fastmath=True)
def nearest(vertices, points, others, distance):
    """Distance of each of `points` to the nearest of `others`, both vertex indices."""
    for k in range(points.shape[0]):
        p = np.uintp(points[k])
        best = np.float32(1e30)
        for j in range(others.shape[0]):
            q = np.uintp(others[j])
            x = vertices[q, 0] - vertices[p, 0]
            y = vertices[q, 1] - vertices[p, 1]
            z = vertices[q, 2] - vertices[p, 2]
            best = min(best, x * x + y * y + z * z)
        distance[k] = np.sqrt(best)


@kernel("void(float64[:,::1], float64[:,::1], int64, float64, float32[::1])", fastmath=True)
def soften(places, depth, reach, slack, lit):
    """Share of a square of texels around each place [V, 3] (column, row, depth) that does not stand before it."""
    rows, columns = depth.shape
    for v in range(places.shape[0]):
        x = int(places[v, 0])
        y = int(places[v, 1])
        z = places[v, 2]
        total = 0.0
        for i in range(y - reach, y + reach + 1):
            for j in range(x - reach, x + reach + 1):
                if 0 <= i < rows and 0 <= j < columns:
                    total += min(max((depth[np.uintp(i), np.uintp(j)] - z) / slack + 1.0, 0.0), 1.0)
                else:
                    total += 1.0
        lit[v] = total / ((2 * reach + 1) * (2 * reach + 1))


@kernel("void(float64[:,::1], float64[:,::1], float64, float64[::1], float64[::1])")
def add_free(places, depth, slack, weight, seen):
    """Add to `seen` [V] the weight of places [V, 3] (column, row, depth), as far as no texel stands before them."""
    rows, columns = depth.shape
    for v in range(places.shape[0]):
        x = min(max(places[v, 0] - 0.5, 0.0), columns - 1.001)
        y = min(max(places[v, 1] - 0.5, 0.0), rows - 1.001)
        j, i = np.uintp(int(x)), np.uintp(int(y))
        x, y = x - int(x), y - int(y)
        most = places[v, 2] - slack
        free = (1 - y) * ((1 - x) * (most <= depth[i, j]) + x * (most <= depth[i, j + 1]))
        free += y * ((1 - x) * (most <= depth[i + 1, j]) + x * (most <= depth[i + 1, j + 1]))
        seen[v] += weight[v] * free


def lit_by(
    points: np.ndarray,  # [V, 3] float32 view axes, metres
    faces: np.ndarray,  # [F, 3] int32
    normals: np.ndarray,  # [V, 3] float32 unit, view axes
    direction: np.ndarray,  # [3] unit, towards the light
    *,
    size: int = 256,
    reach: int = 4,  # texels of soft edge
) -> np.ndarray:  # [V] float32 in [0, 1]
    """How much of one large lamp each vertex sees past the rest of the head."""
    from render.raster_numba import fill

    z = np.asarray(direction, np.float64)
    x = np.cross(z, [0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0])
    x /= np.linalg.norm(x)
    axes = np.stack([x, np.cross(z, x), -z], 1)
    local = points.astype(np.float64) @ axes
    low, high = local.min(0), local.max(0)
    texel = max((high - low)[:2].max(), 1e-9) / (size - 2)
    local = (local - low) / texel
    depth, ids = scratch("z", (size, size)), scratch("ids", (size, size), np.int32)
    depth.fill(np.inf)
    ids.fill(-1)
    fill(np.ascontiguousarray(local), faces, np.empty(0, np.int32), 0, depth, ids)
    place = local + (normals.astype(np.float64) @ axes) * (0.0025 / texel)
    lit = np.empty(len(points), np.float32)
    soften(np.ascontiguousarray(place), depth, reach, 0.004 / texel, lit)
    return lit


def sky_seen(
    vertices: np.ndarray,  # [V, 3]
    faces: np.ndarray,  # [F, 3] int32
    normals: np.ndarray,  # [V, 3] unit
    *,
    directions: int = 80,
) -> np.ndarray:  # [V] float32 in [0, 1]
    """The cosine-weighted share of a full sphere of light that each vertex sees, from one depth map a direction."""
    from render.raster_numba import fill

    points = vertices.astype(np.float64)
    middle = (points.min(0) + points.max(0)) / 2
    lifted = points + _LIFT_M * normals - middle
    points -= middle
    reach = np.linalg.norm(points, axis=1).max() * 1.02
    k = np.arange(directions) + 0.5  # a Fibonacci sphere
    height = 1 - 2 * k / directions
    turn = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    seen, total = np.zeros(len(points)), np.full(len(points), 1e-9)
    none = np.empty(0, np.int32)
    for z in np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1):
        x = np.cross(z, [0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0])
        x /= np.linalg.norm(x)
        axes = np.stack([x, np.cross(z, x), -z], 1) / reach  # depth grows away from the light

        def to_map(centred, axes=axes):
            local = centred @ axes
            local[:, :2] = (local[:, :2] * 0.5 + 0.5) * _MAP
            return local

        depth, ids = scratch("z", (_MAP, _MAP)), scratch("ids", (_MAP, _MAP), np.int32)
        depth.fill(np.inf)
        ids.fill(-1)
        fill(np.ascontiguousarray(to_map(points)), faces, none, 0, depth, ids)
        weight = np.maximum(normals @ z, 0)
        add_free(np.ascontiguousarray(to_map(lifted)), depth, 0.5 * _LIFT_M / reach, weight, seen)
        total += weight
    return (seen / total).astype(np.float32)


def smoothed(values: np.ndarray, faces: np.ndarray, rounds: int = 1) -> np.ndarray:
    """Average each vertex with its neighbours."""
    for _ in range(rounds):
        count = np.ones(len(values))
        total = values.astype(np.float64).copy()
        for a, b in ((0, 1), (1, 2), (2, 0)):
            for p, q in ((faces[:, a], faces[:, b]), (faces[:, b], faces[:, a])):
                total += np.bincount(p, values[q], len(values))
                count += np.bincount(p, minlength=len(values))
        values = (total / count).astype(np.float32)
    return values


@dataclass(frozen=True)
class Ball:
    """An eyeball among a head's vertices, and its lids."""

    vertices: np.ndarray  # [n] int32
    white: np.ndarray  # [m] indices into `vertices` that lie on the sphere
    radius: np.ndarray  # [n] float32 distance from the gaze axis in iris radii, stereographic
    upper: np.ndarray  # int32 vertices of the upper lid that lie against the ball
    lower: np.ndarray  # int32
    lids: np.ndarray  # int32 the skin that shuts over it
    open_m: float  # how far the lids are apart at rest


def light_mouth(
    vertices: np.ndarray,  # [V, 3]
    inside: np.ndarray,  # [n] vertices of mouth, teeth, tongue and lips
    pairs: np.ndarray,  # [P, 2] upper and lower inner lip vertices, corner to corner
) -> np.ndarray:  # [n] float32: 1 in front of the lips, less the deeper a vertex lies and the narrower the opening
    """Light that comes in between the lips: the form factor of a disc of the opening's area, A / (A + pi r^2)."""
    upper, lower = vertices[pairs[:, 0]].astype(np.float64), vertices[pairs[:, 1]].astype(np.float64)
    middle = (upper + lower) / 2
    gap = np.linalg.norm(upper - lower, axis=1)
    width = np.linalg.norm(np.diff(middle, axis=0), axis=1)
    area = ((gap[1:] + gap[:-1]) / 2 * width).sum()
    centre = np.average(middle, axis=0, weights=gap + 1e-6)
    across = middle[-1] - middle[0]
    down = (lower - upper)[np.argmax(gap)] + 1e-9 * np.array([0.0, -1.0, 0.0])
    out = np.cross(across, -down)
    out /= max(np.linalg.norm(out), 1e-12)
    away = vertices[inside] - centre
    out = out if out @ away.mean(0) < 0 else -out
    depth = -(away @ out)
    reach = away - np.clip((away @ across) / max(across @ across, 1e-12), -0.35, 0.35)[:, None] * across
    reach = np.linalg.norm(reach, axis=1)  # the first 8 mm, where front teeth stand, keep most of the light
    share = area / (area + 0.75 * np.pi * (np.maximum(reach - 0.008, 0) ** 2 + 0.12 * reach**2) + 1e-9)
    front = smooth_step(1 - (depth - 0.001) / 0.004)  # lips and a tongue that is stuck out stand in free light
    walls = 0.2 * area / (area + 1e-4)  # what a mouth of several square centimetres passes on from wall to wall
    return np.maximum(share + walls * (1 - share), front).astype(np.float32)


def eye_centre(points: np.ndarray) -> np.ndarray:
    """Least-squares centre of a sphere through points [n, 3]: |p|^2 = 2 c.p + const."""
    points = points.astype(np.float64)
    shift = points.mean(0)
    local = points - shift
    system = np.c_[2 * local, np.ones(len(points))]
    solution = np.linalg.lstsq(system, (local**2).sum(1), rcond=None)[0]
    return solution[:3] + shift


def lids_apart(vertices: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> float:
    """Metres between the lids, on average."""
    distance = np.zeros(len(upper), np.float32)
    if len(lower):
        nearest(vertices, upper, lower, distance)
    return float(distance.mean()) if len(upper) else 0.0


def unfolded(vertices: np.ndarray, ball: Ball) -> float:
    """In [0, 1]: how far a lid has come out of its fold, where the sky does not reach."""
    if not ball.open_m:
        return 0.0
    return float(np.clip(1 - lids_apart(vertices, ball.upper, ball.lower) / ball.open_m, 0, 1))


def shade_eye(vertices: np.ndarray, ball: Ball) -> np.ndarray:  # [n] float32
    """How the lids darken a ball: a soft shadow under the upper lid, a thin one above the lower."""
    result = np.ones(len(ball.vertices), np.float32)
    distance = np.empty(len(ball.vertices), np.float32)
    for lid, strength, reach in ((ball.upper, 0.62, 0.0030), (ball.lower, 0.35, 0.0016)):
        if len(lid):
            nearest(vertices, ball.vertices, lid, distance)
            result *= 1 - strength * np.exp(-((distance / reach) ** 2))
    return result
