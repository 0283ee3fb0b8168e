"""A template mesh bent onto a target surface: optimal-step non-rigid registration.

In the manner of Amberg, Romdhani and Vetter, "Optimal step nonrigid ICP algorithms for surface registration", 2007:
stiff at first, then ever softer, and at every stiffness nearest points and a sparse direct solve in turn. The template
bends as a thin plate that may stretch: each vertex minimises

    m w |p - c|^2  +  length^4 m |Laplacian(p) - T Laplacian(p0)|^2

with its area m, its nearest point c on the target and T the affine map that its neighbourhood has undergone so far, so
that what varies smoothly over the surface (a longer nose, a wider jaw) costs nothing, while ripples shorter than about
6 `length` do not appear. One matrix serves x, y and z: 8,000 vertices take 2 s, 25,000 take 6 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg

from flame_tools.errors import ShapeError
from flame_tools.surface.alignment import align
from flame_tools.surface.mesh_graph import edge_matrix
from flame_tools.surface.nearest import Surface
from flame_tools.types import Embedding

BLUR_STEPS, TURN_STEPS = 4, 20  # rings that the affine map at a vertex is taken from, and its turn and scale
RIDGE = 0.2  # how soon that map falls back to the identity where a neighbourhood is flat, of its spread
HELD, STIFF_HELD = 1e-6, 1e-10  # weight of staying where nothing pulls, against the surface's 1 and the plate's own


@dataclass(frozen=True)
class Anchors:
    """Places of the template that belong at known points: landmarks, and points along curves."""

    places: Embedding  # [L] on the template
    points: np.ndarray  # [L, 3] metres
    weights: np.ndarray | None = None  # [L]; 1 follows to nine tenths, 0.1 to half, at any stiffness


@dataclass(frozen=True)
class Schedule:
    """How a registration proceeds."""

    lengths_m: tuple[float, ...] = (0.06, 0.04, 0.025, 0.016, 0.01, 0.0065, 0.004)
    """Bending length of each stage."""
    settling: int = 15
    """Rounds of nearest points before the template bends: it is aligned as a whole, to surface and anchors alike."""
    rounds: int = 4
    """Nearest points and solves at each stage."""
    reach_lengths: float = 1.0
    """Distance at which a nearest point loses most of its weight, in bending lengths."""
    least_reach_m: float = 0.008
    """That distance is never less."""
    max_angle_deg: float = 60.0
    """Nearest points whose normal differs by more do not count."""


def register(
    vertices: np.ndarray,  # [V, 3] metres
    faces: np.ndarray,  # [F, 3]
    target: Surface,
    *,
    anchors: Anchors | None = None,
    alignment: str = "similarity",
    weights: np.ndarray | None = None,  # [V] in [0, 1]: how much each vertex seeks the surface
    schedule: Schedule | None = None,
) -> np.ndarray:
    """The template's vertices [V, 3] moved onto `target`; those that find nothing there follow their neighbours.

    `alignment` of the anchors comes first: "rigid", "similarity", "affine", or "none" where the two already lie
    together. Nearest points on the rim of the target, far away, or facing elsewhere do not count, so holes and
    half faces are bridged smoothly.
    """
    schedule = schedule or Schedule()
    rest = np.asarray(vertices, np.float64)
    seeking = np.ones(len(rest)) if weights is None else np.asarray(weights, np.float64)
    if seeking.shape != (len(rest),):
        raise ShapeError(f"weights are {list(seeking.shape)}, wanted one for each of {len(rest)} vertices")
    if alignment != "none":
        if anchors is None:
            raise ShapeError(f'a {alignment} alignment needs anchors; give some, or alignment="none"')
        marks = on_mesh(rest, faces, anchors.places)
        rest = align(marks, anchors.points, kind=alignment, weights=anchors.weights)(rest)
        rest = settle(rest, faces, target, kind=alignment, anchors=anchors, weights=seeking, schedule=schedule)
    plate = _Plate(rest, faces)
    current = rest
    for length in schedule.lengths_m:
        for _ in range(schedule.rounds):
            points, trust = _pull(current, faces, target, seeking, length, schedule)
            current = plate.solve(current, length, points, trust, anchors)
    return current


def _pull(current, faces, target, seeking, length, schedule) -> tuple[np.ndarray, np.ndarray]:
    """Where the surface pulls each vertex to [V, 3], and with what weight [V]."""
    reach = max(schedule.least_reach_m, schedule.reach_lengths * length)
    normals = Surface(current, faces).vertex_normals
    found = target.nearest(current, normals=normals, max_angle_deg=schedule.max_angle_deg, within=3 * reach)
    counts = found.found & ~target.on_rim(found)
    trust = seeking * np.where(counts, np.exp(-((np.where(counts, found.distance, 0.0) / reach) ** 2)), 0.0)
    return np.where(counts[:, None], found.points, 0.0), trust


def settle(
    vertices: np.ndarray,  # [V, 3] metres, about where they belong
    faces: np.ndarray,  # [F, 3]
    target: Surface,
    *,
    kind: str = "similarity",
    anchors: Anchors | None = None,
    weights: np.ndarray | None = None,  # [V]
    schedule: Schedule | None = None,
) -> np.ndarray:
    """Vertices [V, 3] moved as a whole, by the `kind` of `align`, onto surface and anchors, which weigh the same."""
    schedule = schedule or Schedule()
    area, _ = _cotangents(vertices, faces)
    seeking = np.ones(len(vertices)) if weights is None else weights
    for _ in range(schedule.settling):
        points, trust = _pull(vertices, faces, target, seeking, schedule.lengths_m[0], schedule)
        share = area * trust / max((area * trust).sum(), 1e-12)
        own, places = vertices, points
        if anchors is not None:
            led = np.ones(len(anchors.points)) if anchors.weights is None else anchors.weights
            own = np.concatenate([own, on_mesh(vertices, faces, anchors.places)])
            places, share = np.concatenate([places, anchors.points]), np.concatenate([share, led / led.sum()])
        if share.any():
            vertices = align(own, places, kind=kind, weights=share)(vertices)
    return vertices


def on_mesh(vertices: np.ndarray, faces: np.ndarray, places: Embedding) -> np.ndarray:
    """Points [..., L, 3] of places [L] on a mesh with vertices [..., V, 3]."""
    return np.einsum("...lkc,lk->...lc", vertices[..., faces[places.faces], :], places.barycentrics)


def local_turns(rest: np.ndarray, current: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """How the surroundings of each vertex turn and grow from `rest` to `current`: a rotation times a scale [V, 3, 3].

    The best similarity (Umeyama 1991) of the edges around it; the identity where there are none.
    """
    around = _Neighbourhoods(rest, faces, TURN_STEPS)
    u, s, vt = np.linalg.svd(around.covariance(np.asarray(current, np.float64)))
    proper = np.ones_like(s)
    proper[:, 2] = np.sign(np.linalg.det(u @ vt))
    spread = np.trace(around.spread, axis1=1, axis2=2)
    size = (s * proper).sum(1) / np.maximum(spread, 1e-300)
    turns = size[:, None, None] * ((u * proper[:, None]) @ vt)
    return np.where((spread > 0)[:, None, None], turns, np.eye(3))


class _Neighbourhoods:
    """Edges around each vertex, averaged with the neighbours' `steps` times."""

    def __init__(self, rest: np.ndarray, faces: np.ndarray, steps: int = BLUR_STEPS):
        self.steps = steps
        self.rest = np.asarray(rest, np.float64)
        adjacency = edge_matrix(faces, len(rest))
        self.edges = adjacency.tocoo()
        rows = adjacency + sp.identity(len(rest))
        self.blur = sp.diags(1 / np.asarray(rows.sum(1)).ravel()) @ rows
        self.sum = sp.csr_matrix(
            (np.ones(len(self.edges.row)), (self.edges.row, np.arange(len(self.edges.row)))),
            (len(rest), len(self.edges.row)),
        )
        self.spread = self.covariance(self.rest)
        trace = np.maximum(np.trace(self.spread, axis1=1, axis2=2), 1e-12)  # no edges: the identity
        self.ridge = RIDGE * trace[:, None, None] * np.eye(3)
        self.inverse = np.linalg.inv(self.spread + self.ridge)

    def maps(self, current: np.ndarray) -> np.ndarray:
        """The affine map [V, 3, 3] of each neighbourhood from rest to `current`."""
        return (self.covariance(current) + self.ridge) @ self.inverse

    def covariance(self, current: np.ndarray) -> np.ndarray:
        """Edges of `current` against edges at rest, [V, 3, 3]."""
        i, j = self.edges.row, self.edges.col
        now, then = current[j] - current[i], self.rest[j] - self.rest[i]
        summed = self.sum @ (now[:, :, None] * then[:, None, :]).reshape(-1, 9)
        for _ in range(self.steps):
            summed = self.blur @ summed
        return summed.reshape(-1, 3, 3)


class _Plate:
    """The template's bending energy and its solves."""

    def __init__(self, rest: np.ndarray, faces: np.ndarray):
        self.faces = faces
        self.area, self.laplacian = _cotangents(rest, faces)
        self.bend = self.laplacian.T @ sp.diags(1 / self.area) @ self.laplacian
        self.stiffness = self.bend.diagonal()
        self.curvature = self.laplacian @ rest  # [V, 3] integrated mean curvature
        self.neighbourhoods = _Neighbourhoods(rest, faces)

    def solve(self, current, length, points, trust, anchors: Anchors | None) -> np.ndarray:
        """Vertices [V, 3] for nearest points [V, 3] with weights `trust` [V]."""
        held = HELD * self.area + STIFF_HELD * length**4 * self.stiffness
        pull = self.area * trust + held
        matrix = length**4 * self.bend + sp.diags(pull)
        turned = np.einsum("nij,nj->ni", self.neighbourhoods.maps(current), self.curvature)
        right = length**4 * (self.laplacian.T @ (turned / self.area[:, None]))
        right += (self.area * trust)[:, None] * points + held[:, None] * current
        if anchors is not None and len(anchors.points):
            # A plate of stiffness length^4 on springs gives way by P / (8 length^2) under the load P.
            weight = 64 * length**2 * (np.ones(len(anchors.points)) if anchors.weights is None else anchors.weights)
            rows = np.repeat(np.arange(len(weight)), 3)
            columns = self.faces[anchors.places.faces].ravel()
            place = sp.csr_matrix((anchors.places.barycentrics.ravel(), (rows, columns)), (len(weight), len(pull)))
            matrix = matrix + place.T @ sp.diags(weight) @ place
            right += place.T @ (weight[:, None] * anchors.points)
        factors = scipy.sparse.linalg.splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        return factors.solve(right)


def _cotangents(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, sp.csr_matrix]:
    """Area [V] and the (positive) cotangent Laplacian [V, V]; angles under 5 degrees count as 5."""
    corners = vertices[faces]
    n = len(vertices)
    rows, columns, values = [], [], []
    for k in range(3):
        i, j = faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        a, b = corners[:, (k + 1) % 3] - corners[:, k], corners[:, (k + 2) % 3] - corners[:, k]
        sine = np.linalg.norm(np.cross(a, b), axis=1)
        cotangent = np.clip((a * b).sum(1) / np.maximum(sine, 1e-20), -11, 11) / 2
        rows += [i, j, i, j]
        columns += [j, i, i, j]
        values += [-cotangent, -cotangent, cotangent, cotangent]
    laplacian = sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (n, n))
    double = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    area = np.zeros(n)
    for k in range(3):
        np.add.at(area, faces[:, k], double / 6)
    return np.maximum(area, 1e-3 * area.mean()), laplacian
