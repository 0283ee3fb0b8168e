"""One texture atlas for the head: a large symmetric face island, and a strip for eyes, mouth and teeth below it.

The island of head and neck is opened along the midline at the back and laid out by a convex combination map (Tutte;
Floater 2003), which cannot fold over. Its weights are adapted (after Yoshizawa, Belyaev and Seidel 2004) until area
is shared out as `texel_density` asks: most for eyes, nose and mouth, little for scalp and neck.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import scipy.sparse as sp
import scipy.sparse.csgraph
import scipy.sparse.linalg

from tools.head.cut import NOSE_TIP, Assembly, Cut

ISLAND = (0.005, 0.215, 0.990, 0.780)  # left, bottom, width, height of the face island
# Places of the rest, squares given by left, bottom, side; an island that is not square is centred in its own.
SLOTS = {
    "left_eyeball": (0.005, 0.005, 0.200), "right_eyeball": (0.210, 0.005, 0.200),
    "upper_teeth": (0.415, 0.005, 0.140), "lower_teeth": (0.560, 0.005, 0.140), "mouth_bag": (0.705, 0.005, 0.140),
    "tongue": (0.850, 0.005, 0.140), "left_socket": (0.415, 0.150, 0.055), "right_socket": (0.480, 0.150, 0.055),
}  # fmt: skip
_SQUARENESS = 5.0  # exponent of the superellipse that bounds the face island: strictly convex, nearly a rectangle
_ROUNDS = 40


def build_uv(assembly: Assembly, template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UV [U, 2] in [0, 1], v up, and uv_faces [F, 3]."""
    cut = assembly.cut
    names = island_of_quad(assembly)
    in_main = np.isin(names[cut.face_quad], ["main"])
    uv, corners = _face_island(cut, template[: len(cut.source)], cut.faces[in_main])
    atlas, skin_faces = [uv], np.zeros_like(cut.faces)
    skin_faces[in_main] = corners
    for name in ("mouth_bag", "left_socket", "right_socket"):
        inside = names[cut.face_quad] == name
        start = sum(map(len, atlas))
        uv, corners = _source_island(assembly, inside)
        atlas.append(_into(SLOTS[name], uv))
        skin_faces[inside] = corners + start
    faces = [skin_faces]
    for part in assembly.parts:
        faces.append(part.uv_faces + sum(map(len, atlas)))
        left, bottom, side = SLOTS[part.name]
        atlas.append(np.array([left, bottom]) + side * part.uv)
    return np.concatenate(atlas), np.concatenate(faces).astype(np.int32)


def island_of_quad(assembly: Assembly) -> np.ndarray:
    """[Qs] names main, mouth_bag, left_socket, right_socket, from the islands of the source's own layout."""
    cut = assembly.cut
    mean = assembly.source.vertices[cut.source]
    count = len(assembly.source.uv)
    pairs = np.concatenate([cut.quad_uv[:, [i, (i + 1) % 4]] for i in range(4)])
    graph = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, label = scipy.sparse.csgraph.connected_components(graph, directed=False)
    label = label[cut.quad_uv[:, 0]]
    names = np.full(len(cut.quads), "main", dtype="U16")
    nose = cut.skin_index(np.array([NOSE_TIP]))[0]
    for value in np.unique(label):
        members = np.unique(cut.quads[label == value])
        if nose in members or np.isin(members, cut.rim).any():
            continue
        middle = mean[members, 0].mean()
        names[label == value] = "mouth_bag" if abs(middle) < 1e-3 else ("left_socket" if middle > 0 else "right_socket")
    return names


def texel_density(positions: np.ndarray) -> np.ndarray:
    """Texels per area wanted at head positions [n, 3]: 1 at the middle of the face, less behind and below."""
    away = (positions - np.array([0.0, -0.020, 0.062])) / np.array([0.068, 0.080, 0.070])
    near = np.exp(-(((away**2).sum(1)) ** 1.5))
    ears = np.exp(
        -(((np.abs(positions) - np.array([0.080, 0.0, 0.040])) / np.array([0.016, 0.040, 0.030])) ** 2).sum(1)
    )
    return 0.06 + 0.90 * near + 0.20 * ears


def _face_island(cut: Cut, skin: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UV [u, 2] of the head and neck, opened at the back, and the triangles [m, 3] over it."""
    seam = _back_seam(cut, skin, faces)
    corners, vertex = _open(faces, seam, skin)  # uv triangles, and the skin vertex of each uv point
    boundary = _outer_loop(corners, vertex, int(seam[0]))
    count = len(vertex)
    filled, extra = _fill_holes(corners, boundary, count)
    position = np.concatenate([skin[vertex], [skin[vertex[hole]].mean(0) for hole in extra]])
    place = _boundary_places(boundary, vertex, skin, set(cut.rim.tolist()))
    swap = _mirrored_points(cut, vertex, extra)
    uv = _adapt(filled, position, boundary, place, swap, len(filled) - len(corners))
    left, bottom, width, height = ISLAND
    return np.array([left, bottom]) + uv[:count] * np.array([width, height]), corners


def _back_seam(cut: Cut, skin: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Midline vertices from the crown down the back to the rim."""
    used = np.unique(faces)
    middle = used[(cut.mirror[used] == used) & (skin[used, 2] < -0.035)]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    beside = defaultdict(set)
    for a, b in edges[np.isin(edges, middle).all(1)].tolist():
        beside[a].add(b)
        beside[b].add(a)
    rim = [v for v in middle.tolist() if v in set(cut.rim.tolist())]
    seam, before = [rim[0]], None
    while True:
        ahead = [v for v in beside[seam[-1]] if v != before]
        if not ahead:
            return np.array(seam[::-1])
        before = seam[-1]
        seam.append(max(ahead, key=lambda v: float(skin[v, 1]) if len(ahead) > 1 else 0.0))


def _open(faces: np.ndarray, seam: np.ndarray, skin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Duplicate the seam (all but its top end) for the faces on the right half. Returns uv triangles and vertices."""
    used, corners = np.unique(faces, return_inverse=True)
    corners = corners.reshape(-1, 3)
    place = {int(v): i for i, v in enumerate(used)}
    vertex = used.tolist()
    right = skin[faces][:, :, 0].mean(1) < 0.0
    for v in seam[1:].tolist():
        twin = len(vertex)
        vertex.append(v)
        touched = right[:, None] & (corners == place[v])
        corners[touched] = twin
    return corners, np.array(vertex)


def _border_loops(corners: np.ndarray) -> list[list[int]]:
    """Loops of the border of a triangle mesh, along the direction of its triangles."""
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    known = set(map(tuple, edges.tolist()))
    after = {a: b for a, b in edges.tolist() if (b, a) not in known}
    loops = []
    while after:
        loop = [min(after)]
        while after.get(loop[-1]) is not None:
            loop.append(after.pop(loop[-1]))
        loops.append(loop[:-1])
    return loops


def _outer_loop(corners: np.ndarray, vertex: np.ndarray, top: int) -> list[int]:
    """The outer border, counter-clockwise, starting at the crown."""
    for loop in _border_loops(corners):
        start = [i for i, point in enumerate(loop) if vertex[point] == top]
        if start:
            return loop[start[0] :] + loop[: start[0]]
    raise ValueError("the seam at the back does not reach the border of the face island")


def _fill_holes(corners: np.ndarray, boundary: list[int], count: int) -> tuple[np.ndarray, list[list[int]]]:
    """Close the mouth and the eyes with fans about new points, which are dropped afterwards."""
    outer, filled, holes = set(boundary), [corners], []
    for loop in _border_loops(corners):
        if not outer & set(loop):
            middle = count + len(holes)
            filled.append(np.array([[b, a, middle] for a, b in zip(loop, loop[1:] + loop[:1], strict=True)]))
            holes.append(loop)
    return np.concatenate(filled), holes


def _boundary_places(boundary: list[int], vertex: np.ndarray, skin: np.ndarray, rim: set[int]) -> np.ndarray:
    """Places [b, 2] in the unit square: the rim along the bottom, the seam's two sides round the rest."""
    length = np.linalg.norm(skin[vertex[np.roll(boundary, -1)]] - skin[vertex[boundary]], axis=1)
    is_rim = np.array([vertex[p] in rim for p in boundary])
    along_rim = is_rim & np.roll(is_rim, -1)
    share = np.where(along_rim, 0.27 * length / length[along_rim].sum(), 0.73 * length / length[~along_rim].sum())
    s = np.concatenate([[0.0], np.cumsum(share)[:-1]])
    t = np.linspace(0.0, 2.0 * np.pi, 20001)
    curve = np.stack([-np.sin(t), np.cos(t)], -1)  # counter-clockwise from the top
    curve /= (np.abs(curve) ** _SQUARENESS).sum(1, keepdims=True) ** (1.0 / _SQUARENESS)
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    walked /= walked[-1]
    return 0.5 + 0.5 * np.stack([np.interp(s, walked, curve[:, 0]), np.interp(s, walked, curve[:, 1])], -1)


def _mirrored_points(cut: Cut, vertex: np.ndarray, holes: list[list[int]]) -> np.ndarray:
    """For each uv point the one across the midline."""
    points = defaultdict(list)
    for point, v in enumerate(vertex.tolist()):
        points[v].append(point)
    swap = np.arange(len(vertex) + len(holes))
    for point, v in enumerate(vertex.tolist()):
        others = points[int(cut.mirror[v])]
        swap[point] = others[0] if len(others) == 1 else others[1 - points[v].index(point)]
    sets = [set(swap[hole].tolist()) for hole in holes]
    for i, hole in enumerate(holes):
        swap[len(vertex) + i] = len(vertex) + sets.index(set(hole))
    return swap


def _adapt(
    faces: np.ndarray, position: np.ndarray, boundary: list[int], place: np.ndarray, swap: np.ndarray, filling: int
) -> np.ndarray:
    """Convex combination map whose triangles get area by texel density; the last `filling` ones get little."""
    n = len(position)
    weights = _mean_value_weights(faces, position)
    free = np.setdiff1d(np.arange(n), boundary)
    area = _areas3(position, faces) * texel_density(position[faces].mean(1))
    area[len(faces) - filling :] *= 0.6
    area /= area.sum()
    best, best_cost = None, np.inf
    for _ in range(_ROUNDS):
        uv = np.zeros((n, 2))
        uv[boundary] = place
        system = (sp.diags(np.asarray(weights.sum(1)).ravel()) - weights).tocsr()[free]
        uv[free] = scipy.sparse.linalg.spsolve(system[:, free].tocsc(), -system[:, boundary] @ uv[boundary])
        uv = 0.5 * (uv + np.stack([1.0 - uv[swap, 0], uv[swap, 1]], -1))
        flat = _areas2(uv, faces)
        flat /= flat.sum()
        cost = float((area * np.log(area / np.maximum(flat, 1e-12)) ** 2).sum())
        if flat.min() > 0.0 and cost < best_cost:
            best, best_cost = uv, cost
        wanted, got = np.zeros(n), np.zeros(n)
        for k in range(3):
            np.add.at(wanted, faces[:, k], area)
            np.add.at(got, faces[:, k], flat)
        stretch = (wanted / np.maximum(got, 1e-12)) ** 0.25
        weights = (weights @ sp.diags(1.0 / stretch)).tocsr()
    if best is None:
        raise ValueError("the face island folds over")
    return best


def _mean_value_weights(faces: np.ndarray, position: np.ndarray) -> sp.csr_matrix:
    """Floater's mean value weights, row i over the neighbours of i."""
    rows, columns, values = [], [], []
    for k in range(3):
        i, j, k2 = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        a, b = position[j] - position[i], position[k2] - position[i]
        na, nb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
        half = np.tan(0.5 * np.arccos(np.clip((a * b).sum(1) / (na * nb), -1.0, 1.0)))
        rows += [i, i]
        columns += [j, k2]
        values += [half / na, half / nb]
    n = len(position)
    shape = (np.concatenate(rows), np.concatenate(columns))
    return sp.csr_matrix((np.concatenate(values), shape), shape=(n, n))


def _areas3(position: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = position[faces[:, 0]], position[faces[:, 1]], position[faces[:, 2]]
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def _areas2(uv: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Signed areas [m], positive where a triangle is counter-clockwise."""
    a, b, c = uv[faces[:, 0]], uv[faces[:, 1]], uv[faces[:, 2]]
    return 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


def _source_island(assembly: Assembly, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The source's own layout of the chosen skin triangles: uv [u, 2] and triangles [m, 3]."""
    cut = assembly.cut
    rows = []
    for face, quad in zip(cut.faces[inside], cut.face_quad[inside], strict=True):
        corner = dict(zip(cut.quads[quad].tolist(), cut.quad_uv[quad].tolist(), strict=True))
        rows.append([corner[int(v)] for v in face])
    used, corners = np.unique(np.array(rows), return_inverse=True)
    return assembly.source.uv[used], corners.reshape(-1, 3)


def _into(slot: tuple[float, float, float], uv: np.ndarray) -> np.ndarray:
    left, bottom, side = slot
    span = np.ptp(uv, axis=0)
    return np.array([left, bottom]) + side * (0.5 + (uv - uv.min(0) - 0.5 * span) / span.max())
