"""A scan as evenly spread points with normals: what a fit pulls towards, whatever the scan was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.surface.mesh_graph import edge_matrix, open_edges
from recon.scan.file import Scan
from recon.texture.surface import unit, vertex_normals


@dataclass(frozen=True)
class OrientedPoints:
    """Points [N, 3] on a surface, with unit normals and how far each lies from the surface's rim."""

    points: np.ndarray  # [N, 3] on the surface through their neighbours: without most of the noise
    samples: np.ndarray  # [N, 3] where the scan really is
    normals: np.ndarray  # [N, 3] outward where `signed`, else of either sign
    rim: np.ndarray  # [N] bool: at a hole or at the scan's end
    signed: bool

    def only(self, wanted: np.ndarray) -> OrientedPoints:
        """Those of the points that are `wanted` [N]."""
        parts = (self.points, self.samples, self.normals, self.rim)
        return OrientedPoints(*(part[wanted] for part in parts), self.signed)


def reach_of(points: np.ndarray, *, neighbours: int) -> np.ndarray:
    """[N] distance from each point to the last of its nearest others."""
    from scipy.spatial import cKDTree

    return cKDTree(points).query(points, min(neighbours + 1, len(points)))[0][:, -1]


def spacing(points: np.ndarray) -> float:
    """The usual distance from a point to its nearest others."""
    from scipy.spatial import cKDTree

    chosen = points[:: max(1, len(points) // 2000)]
    distance, _ = cKDTree(points).query(chosen, 5)
    return float(np.median(distance[:, 1:].mean(1)))


def grid_chosen(points: np.ndarray, cell: float) -> np.ndarray:
    """Indices [n], in order, of one point in each cell of a grid: the one nearest the mean of its cell."""
    key = np.floor((points - points.min(0)) / cell).astype(np.int64)
    span = key.max(0) + 1
    _, cells = np.unique((key[:, 0] * span[1] + key[:, 1]) * span[2] + key[:, 2], return_inverse=True)
    count = np.bincount(cells)
    mean = np.stack([np.bincount(cells, points[:, k]) for k in range(3)], 1) / count[:, None]
    off = ((points - mean[cells]) ** 2).sum(1)
    order = np.lexsort((off, cells))
    first = order[np.searchsorted(cells[order], np.arange(len(count)))]
    return np.sort(first)


def local_surfaces(
    at: np.ndarray,  # [n, 3] where
    samples: np.ndarray,  # [N, 3] of a surface
    *,
    neighbours: int,
) -> tuple[np.ndarray, np.ndarray]:
    """`at` moved onto the quadric through its nearest samples, and the unit normals there, both [n, 3].

    A plane would do for the noise, but it cuts into everything round: 0.4 mm at the tip of a nose.
    """
    from scipy.spatial import cKDTree

    distance, near = cKDTree(samples).query(at, min(neighbours, len(samples)))
    away = samples[near] - at[:, None]  # [n, k, 3]
    spread = away - away.mean(1, keepdims=True)
    _, axes = np.linalg.eigh(spread.transpose(0, 2, 1) @ spread)  # columns: normal, then along the surface
    size = np.maximum(distance[:, -1], 1e-30)
    height, u, v = np.moveaxis(away @ (axes / size[:, None, None]), -1, 0)
    terms = np.empty((*u.shape, 6))  # [n, k, 6]
    terms[..., 0], terms[..., 1], terms[..., 2] = 1, u, v
    terms[..., 3], terms[..., 4], terms[..., 5] = u * u, u * v, v * v
    across = terms.transpose(0, 2, 1)
    found = np.linalg.solve(across @ terms + 1e-6 * np.eye(6), across @ height[..., None])[..., 0]
    lift = np.clip(found[:, 0], -1, 1) * size
    slope = axes[:, :, 0] - found[:, 1:2] * axes[:, :, 1] - found[:, 2:3] * axes[:, :, 2]
    return at + lift[:, None] * axes[:, :, 0], unit(slope)


def welded(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces [F, 3] that name one vertex for each place: readers split vertices at seams, STL at every edge."""
    cell = 1e-7 * max(float(np.ptp(vertices, axis=0).max()), 1e-30)
    key = np.round((vertices - vertices.min(0)) / cell).astype(np.int64)
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return first[inverse.ravel()][faces]


def turned_outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces [F, 3], all turned over where most of the surface faces its own middle: files may wind them either way."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    middle = corners.mean(1)
    centre = area @ middle / max(area.sum(), 1e-300)
    return faces if ((middle - centre) * normals).sum() >= 0 else np.ascontiguousarray(faces[:, ::-1])


def smooth_normals(vertices: np.ndarray, faces: np.ndarray, *, rounds: int = 3) -> np.ndarray:
    """Unit vertex normals [N, 3], averaged over neighbours so that a scanner's noise does not glitter."""
    from scipy.sparse import identity

    joined = welded(vertices, faces)
    own = np.arange(len(vertices))
    own[faces.ravel()] = joined.ravel()
    normals = vertex_normals(vertices, joined)
    near = edge_matrix(joined, len(vertices)) + identity(len(vertices))
    for _ in range(rounds):
        normals = unit(near @ normals)
    return normals[own]


def rim_vertices(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """[N] bool: vertices on an edge that only one triangle has."""
    joined = welded(vertices, faces)
    rim = np.zeros(len(vertices), bool)
    rim[open_edges(joined)] = True
    result = np.zeros(len(vertices), bool)
    result[faces.ravel()] = rim[joined.ravel()]
    return result


def oriented_points(scan: Scan, *, step: float, seed: int = 0) -> OrientedPoints:
    """Points about `step` apart (in the scan's unit) on a scan, each on the surface of its neighbours."""
    if scan.is_cloud:
        samples = scan.vertices
        kept = grid_chosen(samples, step)
        places, normals = local_surfaces(samples[kept], samples, neighbours=20)
        return OrientedPoints(places, samples[kept], normals, _rim_of_cloud(samples[kept]), signed=False)
    triangles = turned_outward(scan.vertices, scan.faces)
    corners = scan.vertices[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    random = np.random.default_rng(seed)
    count = np.floor(np.minimum(area / (0.35 * step**2), 10_000) + random.random(len(area))).astype(int)
    chosen = np.repeat(np.arange(len(area)), count)
    u, v = random.random((2, len(chosen)))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], 1)
    samples = np.einsum("nk,nkc->nc", weights, corners[chosen])
    kept = grid_chosen(samples, step)
    faces = triangles[chosen[kept]]
    outward = np.einsum("nk,nkc->nc", weights[kept], smooth_normals(scan.vertices, triangles, rounds=2)[faces])
    places, normals = local_surfaces(samples[kept], samples, neighbours=20)
    normals *= np.where((normals * outward).sum(1, keepdims=True) < 0, -1.0, 1.0)
    return OrientedPoints(
        places, samples[kept], normals, rim_vertices(scan.vertices, scan.faces)[faces].any(1), signed=True
    )


def _rim_of_cloud(points: np.ndarray, *, neighbours: int = 16) -> np.ndarray:
    """[N] bool: points whose neighbours all lie to one side."""
    from scipy.spatial import cKDTree

    distance, near = cKDTree(points).query(points, min(neighbours, len(points)))
    away = np.linalg.norm(points[near[:, 1:]].mean(1) - points, axis=1)
    return away > 0.3 * distance[:, -1]  # half a disc's centroid lies 0.42 radii off, a whole one's at 0.1 by chance
