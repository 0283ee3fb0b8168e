"""Fewer triangles by half-edge collapse: what is left is a subset of the vertices, where they were.

Quadric errors (Garland and Heckbert, "Surface simplification using quadric error metrics", 1997) summed over several
poses of one mesh, so that a vertex which lies flat at rest but folds in a smile is kept. Collapses happen in rounds:
the cheapest ones whose neighbourhoods do not meet go together, mirrored ones always together. Rims, seams of the UV
atlas and borders between materials only ever collapse along themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SHARE_PER_ROUND = 0.2  # of the vertices, the cheapest: more is faster, less is nearer to one collapse at a time
EDGE_WEIGHT = 3.0  # of rims, seams and material borders against the surface
LENGTH_WEIGHT = 1e-4  # of an edge's squared length: where the surface is flat, short edges go first
LEAST_TURN = 0.25  # cosine: a triangle may not turn further than this in any pose
LEAST_SHAPE = 0.06  # twice the area over the longest side squared; 0.87 is equilateral


@dataclass(frozen=True)
class Triangles:
    """Triangles that are left, in the numbers of the mesh they came from."""

    faces: np.ndarray  # [f, 3] vertices
    uv_faces: np.ndarray  # [f, 3]
    origin: np.ndarray  # [f] the triangle each one was


@dataclass(frozen=True)
class _HalfEdges:
    """Every edge in both directions, u -> v: u may go, v stays."""

    u: np.ndarray  # [h]
    v: np.ndarray  # [h]
    sides: np.ndarray  # [h, 2] triangle sides along u -> v and v -> u as 3 t + corner; -1 where there is none
    mirrored: np.ndarray  # [h] the half-edge across the mirror; itself without a mirror, -1 where there is none


def collapse(
    faces: np.ndarray,  # [F, 3], an oriented manifold with or without rims
    uv_faces: np.ndarray,  # [F, 3]
    material: np.ndarray,  # [F]
    poses: np.ndarray,  # [P, V, 3] metres
    goals: Sequence[int],  # numbers of triangles, falling
    *,
    mirror: np.ndarray | None = None,  # [V] the vertex across the sagittal plane, where the mesh is symmetric
    kept: np.ndarray | None = None,  # [V] bool, vertices that must stay
    importance: np.ndarray | None = None,  # [V] factor on the squared error
) -> Iterator[Triangles]:
    """Collapse to each goal in turn, or to the fewest triangles that the rules allow. Every level is in the next."""
    points = np.ascontiguousarray(np.asarray(poses, np.float64).transpose(1, 0, 2))  # [V, P, 3]
    count = len(points)
    fixed = np.zeros(count, bool) if kept is None else np.asarray(kept, bool)
    weight = np.ones(count) if importance is None else np.asarray(importance, np.float64)
    faces, origin = np.asarray(faces, np.int64), np.arange(len(faces))
    material = np.asarray(material)
    # A wedge is a vertex as one chart of the atlas sees it.
    wedges, wedge = np.unique(np.stack([faces.ravel(), np.ravel(uv_faces)], 1), axis=0, return_inverse=True)
    wedge = wedge.reshape(faces.shape)
    quadrics = _quadrics(faces, wedge, material, points, weight)
    monomials = _monomials(points)
    outward = _vertex_normals(points, faces)
    for goal in goals:
        while len(faces) > goal:
            half = _half_edges(faces, mirror)
            cost = _costs(half, quadrics, monomials, points)
            allowed = _allowed(half, faces, wedge, material[origin], fixed, mirror)
            chosen = _choose(half, np.where(allowed, cost, np.inf), faces, points, outward, len(faces) - goal, mirror)
            if not len(chosen):
                break
            u, v = half.u[chosen], half.v[chosen]
            target = np.arange(count)
            target[u] = v
            towards = np.arange(len(wedges))
            for side in half.sides[chosen].T:
                there = side >= 0
                t, corner = np.divmod(side[there], 3)
                after = (corner + 1) % 3
                first = faces[t, corner] == u[there]  # the side runs u -> v, else v -> u
                near, far = np.where(first, corner, after), np.where(first, after, corner)
                towards[wedge[t, near]] = wedge[t, far]
            np.add.at(quadrics, v, quadrics[u])
            faces, wedge = target[faces], towards[wedge]
            whole = (faces != np.roll(faces, 1, 1)).all(1)
            faces, wedge, origin = faces[whole], wedge[whole], origin[whole]
        yield Triangles(faces, wedges[wedge, 1], origin)


def _half_edges(faces: np.ndarray, mirror: np.ndarray | None) -> _HalfEdges:
    count = int(faces.max()) + 1 if mirror is None else len(mirror)
    ends = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2)
    along = ends[:, 0] * count + ends[:, 1]
    order = np.argsort(along)
    keys = np.unique(np.concatenate([along, ends[:, 1] * count + ends[:, 0]]))
    u, v = np.divmod(keys, count)

    def find(sorted_keys: np.ndarray, values: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(sorted_keys, values), len(sorted_keys) - 1)
        return np.where(sorted_keys[place] == values, place, -1)

    sides = np.stack([find(along[order], keys), find(along[order], v * count + u)], 1)
    sides = np.where(sides >= 0, order[sides], -1)
    across = np.arange(len(u)) if mirror is None else find(keys, mirror[u] * count + mirror[v])
    return _HalfEdges(u, v, sides, across)


def _normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Twice the area along the normal [f, P, 3]."""
    a, b, c = (points[faces[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def _vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Mean unit normals of the triangles round each vertex [V, P, 3], by area."""
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], _normals(points, faces))
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-20)


def _quadrics(faces, wedge, material, points, weight) -> np.ndarray:  # [V, P, 10]
    """Area-weighted squared distances to the planes round each vertex, and to walls along its feature edges."""
    normals = _normals(points, faces)
    size = np.linalg.norm(normals, axis=-1, keepdims=True)
    unit = normals / np.maximum(size, 1e-20)
    area = 0.5 * size[..., 0] * weight[faces].mean(1)[:, None]
    found = np.zeros((len(points), points.shape[1], 10))
    plane = _plane_quadrics(unit, points[faces[:, 0]], area)
    for corner in range(3):
        np.add.at(found, faces[:, corner], plane)
    for corner in range(3):
        a, b = faces[:, corner], faces[:, (corner + 1) % 3]
        rows = np.flatnonzero(_is_feature(faces, wedge, material)[:, corner])
        edge = points[b[rows]] - points[a[rows]]
        wall = np.cross(edge, unit[rows])
        wall /= np.maximum(np.linalg.norm(wall, axis=-1, keepdims=True), 1e-20)
        heavy = EDGE_WEIGHT * (edge**2).sum(-1) * weight[faces[rows]].mean(1)[:, None]
        plane = _plane_quadrics(wall, points[a[rows]], heavy)
        np.add.at(found, a[rows], plane)
        np.add.at(found, b[rows], plane)
    return found


def _is_feature(faces, wedge, material) -> np.ndarray:  # [F, 3] bool, side i runs from corner i to the next
    """Sides on a rim, on a seam of the atlas or between two materials."""
    half = _half_edges(faces, None)
    side = np.arange(faces.size)
    twin = np.full(faces.size, -1)
    there = half.sides[:, 0] >= 0
    twin[half.sides[there, 0]] = half.sides[there, 1]
    t, corner = np.divmod(side, 3)
    s, other = np.divmod(np.maximum(twin, 0), 3)
    same = (wedge[t, corner] == wedge[s, (other + 1) % 3]) & (wedge[t, (corner + 1) % 3] == wedge[s, other])
    return ((twin < 0) | ~same | (material[t] != material[s])).reshape(-1, 3)


_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def _plane_quadrics(normal: np.ndarray, point: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Coefficients [..., 10] of weight times the squared distance to a plane, over the monomials."""
    offset = -(normal * point).sum(-1)
    second = [normal[..., i] * normal[..., j] * (1.0 if i == j else 2.0) for i, j in _PAIRS]
    first = [2.0 * offset * normal[..., i] for i in range(3)]
    return np.stack([*second, *first, offset**2], -1) * weight[..., None]


def _monomials(points: np.ndarray) -> np.ndarray:  # [V, P, 10]
    second = [points[..., i] * points[..., j] for i, j in _PAIRS]
    return np.stack([*second, *np.moveaxis(points, -1, 0), np.ones(points.shape[:-1])], -1)


def _costs(half: _HalfEdges, quadrics, monomials, points) -> np.ndarray:  # [h]
    """Squared error, summed over the poses, of u and all it stands for moving to v."""
    flat, at = quadrics.reshape(len(quadrics), -1), monomials.reshape(len(monomials), -1)
    own = np.einsum("vk,vk->v", flat, at)
    cost = np.einsum("hk,hk->h", flat[half.u], at[half.v]) + own[half.v]
    length = ((points[half.u, 0] - points[half.v, 0]) ** 2).sum(-1)
    cost = np.maximum(cost, 0.0) + LENGTH_WEIGHT * length**2
    return np.where(half.mirrored >= 0, cost + cost[half.mirrored], np.inf)


def _allowed(half: _HalfEdges, faces, wedge, material, fixed, mirror) -> np.ndarray:  # [h] bool
    """Collapses that keep the mesh a manifold, its rims, its charts and its materials."""
    import scipy.sparse as sp

    count = len(fixed)
    u, v, (first, second) = half.u, half.v, half.sides.T
    both = (first >= 0) & (second >= 0)
    t, i = np.divmod(first, 3)  # of a missing side: some triangle, which `both` leaves out
    s, j = np.divmod(second, 3)

    def distinct(values: np.ndarray) -> np.ndarray:
        """How many different values [f, 3] the corners at each vertex have."""
        most = int(values.max()) + 1
        pairs = np.unique(faces.ravel() * most + values.ravel())
        return np.bincount(pairs // most, minlength=count)

    rim = np.zeros(count, bool)
    rim[u[~both]] = rim[v[~both]] = True
    ok = ~fixed[u] & (~rim[u] | ~both)
    one_chart = wedge[t, i] == wedge[s, (j + 1) % 3]
    same_end = wedge[t, (i + 1) % 3] == wedge[s, j]
    charts = distinct(wedge)[u]
    ok &= np.where(both, np.where(one_chart, same_end & (charts == 1), ~same_end & (charts == 2)), charts == 1)
    kinds = distinct(np.repeat(material[:, None], 3, 1))[u]
    ok &= kinds == np.where(both & (material[t] != material[s]), 2, 1)
    ones = np.ones(len(u))
    near = sp.csr_matrix((ones, (u, v)), shape=(count, count))
    shared = np.zeros(len(u))
    step = 1 << 16
    for start in range(0, len(u), step):  # common neighbours of the ends
        rows = slice(start, start + step)
        shared[rows] = np.asarray(near[u[rows]].multiply(near[v[rows]]).sum(1)).ravel()
    ok &= shared == np.where(both, 2, 1)
    degree = np.bincount(faces.ravel(), minlength=count)
    middle = np.zeros(count, bool) if mirror is None else mirror == np.arange(count)
    enough = degree >= np.where(rim, 2, 4) + middle  # the mirrored collapse takes one from the midline too
    for there, triangle, corner in ((first >= 0, t, i), (second >= 0, s, j)):
        ok &= ~there | enough[faces[triangle, (corner + 2) % 3]]
    if mirror is not None:
        # The mirrored collapse goes at once: neither may touch what the other moves. Onto the midline both go to one
        # vertex; that keeps a manifold where all that u and its image share is next to v.
        across = np.asarray(near[mirror[u], u]).ravel() > 0
        crosswise = np.asarray(near[mirror[v], u]).ravel() > 0
        both_near = near[u].multiply(near[mirror[u]])
        shared, beside = (np.asarray(m.sum(1)).ravel() for m in (both_near, both_near.multiply(near[v])))
        apart = ~across & np.where(middle[v], shared - 1 == beside, ~crosswise)
        ok &= (half.mirrored >= 0) & np.where(middle[u], middle[v], apart)
    return ok


def _choose(half: _HalfEdges, cost, faces, points, outward, surplus, mirror) -> np.ndarray:
    """Half-edges to collapse together: cheap, turning no triangle over, with neighbourhoods of their own."""
    count = len(points)
    best = np.full(count, np.inf)
    np.minimum.at(best, half.u, cost)
    finite = np.sort(best[np.isfinite(best)])
    if not len(finite):
        return np.zeros(0, int)
    # Where nothing cheap is left that keeps the triangles sound, look further.
    for share in (SHARE_PER_ROUND, 0.5, 1.0):
        limit = finite[int(np.ceil(share * len(finite))) - 1]
        found = _independent(half, cost, limit, faces, points, outward, mirror)
        if len(found):
            break
    removed = np.cumsum((half.sides[found] >= 0).sum(1) * np.where(half.mirrored[found] == found, 1, 2))
    found = found[: max(int(np.searchsorted(removed, surplus, side="right")), 1)]
    return np.unique(np.concatenate([found, half.mirrored[found]]))


def _independent(half: _HalfEdges, cost, limit, faces, points, outward, mirror) -> np.ndarray:
    """One of each mirrored pair of collapses, cheapest first, whose rings of neighbours are disjoint."""
    rows = np.flatnonzero(cost <= limit)
    rows = rows[rows <= half.mirrored[rows]]
    rows = rows[_sound(half.u[rows], half.v[rows], faces, points, outward)]
    if mirror is not None and len(rows):  # a mirror true to a hair only: both sides are looked at
        across = half.mirrored[rows]
        rows = rows[_sound(half.u[across], half.v[across], faces, points, outward)]
    if not len(rows):
        return rows
    rows = rows[np.lexsort((rows, cost[rows]))]
    # A ring: u, its neighbours, and their images. A collapse goes where it is the cheapest of all rings it touches.
    start = np.searchsorted(half.u, np.arange(len(points) + 1))  # half-edges are sorted by u
    chosen = []
    taken = np.zeros(len(points), bool)
    for row in rows.tolist():
        ring = half.v[start[half.u[row]] : start[half.u[row] + 1]]
        u = half.u[row]
        if taken[u] or taken[ring].any():
            continue
        across = half.mirrored[row]
        if across != row:
            other = half.u[across]
            ring = np.concatenate([ring, half.v[start[other] : start[other + 1]]])
            if taken[other] or taken[ring].any():
                continue
            taken[other] = True
        taken[u] = True
        taken[ring] = True
        chosen.append(row)
    return np.array(chosen, int)


def _sound(u: np.ndarray, v: np.ndarray, faces, points, outward) -> np.ndarray:  # [h] bool
    """Whether no triangle turns over or becomes a sliver, in any pose, when u goes to v.

    Small turns add up: a triangle must also face as the full mesh did at its corners, `outward` [V, P, 3].
    """
    order = np.argsort(faces.ravel(), kind="stable")
    start = np.searchsorted(faces.ravel()[order], np.arange(len(points) + 1))
    many = start[u + 1] - start[u]
    who = np.repeat(np.arange(len(u)), many)
    corner = order[np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + np.repeat(start[u], many)]
    before = faces[corner // 3]
    stays = (before != v[who][:, None]).all(1)  # the others vanish
    who, corner, before = who[stays], corner[stays], before[stays]
    after = before.copy()
    after[np.arange(len(who)), corner % 3] = v[who]
    old, new = _normals(points, before), _normals(points, after)
    size = np.linalg.norm(new, axis=-1)
    longest = np.max([((points[after[:, i]] - points[after[:, i - 1]]) ** 2).sum(-1) for i in range(3)], axis=0)
    turned = (old * new).sum(-1) > LEAST_TURN * np.linalg.norm(old, axis=-1) * size
    was = np.linalg.norm(old, axis=-1) / np.maximum(
        np.max([((points[before[:, i]] - points[before[:, i - 1]]) ** 2).sum(-1) for i in range(3)], axis=0), 1e-20
    )
    shaped = size > np.minimum(LEAST_SHAPE, 0.5 * was) * longest  # what was a sliver may stay one
    faced = (new * outward[after].sum(1)).sum(-1) > 0.0
    faced |= (old * outward[before].sum(1)).sum(-1) <= 0.0
    good = (turned & shaped & faced).all(1)
    return np.bincount(who, ~good, minlength=len(u)) == 0
