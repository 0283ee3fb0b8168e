"""The point of a triangle mesh nearest to each of many points: exact, in double precision.

A balanced tree of boxes over the triangles, split at the median of its longest side, answers about 200,000 points a
second on one core. Every triangle takes part, degenerate ones as the segments or points that they are.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError

LEAF = 4  # triangles in a leaf


@dataclass(frozen=True)
class Nearest:
    """The nearest places of N points on a surface; `faces` is -1 and `distance` inf where none was allowed."""

    faces: np.ndarray  # [N] triangle indices
    barycentrics: np.ndarray  # [N, 3] in [0, 1], rows sum to 1 (0 where there is no place)
    points: np.ndarray  # [N, 3] metres (NaN where there is no place)
    distance: np.ndarray  # [N] metres

    @property
    def found(self) -> np.ndarray:
        """[N] bool: where there is a place."""
        return self.faces >= 0


class Surface:
    """A triangle mesh to be asked for nearest points; `vertex_mask` or `face_mask` leave only a part of it to answer.

    A face answers when `face_mask` [F] has it and `vertex_mask` [V] has its three vertices. Indices in answers are
    those of the whole mesh.
    """

    def __init__(
        self,
        vertices: np.ndarray,  # [V, 3] metres
        faces: np.ndarray,  # [F, 3], counter-clockwise seen from outside
        *,
        vertex_mask: np.ndarray | None = None,  # [V] bool
        face_mask: np.ndarray | None = None,  # [F] bool
    ):
        self.vertices = np.ascontiguousarray(vertices, np.float64)
        self.faces = np.ascontiguousarray(faces, np.int64)
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3 or not np.isfinite(self.vertices).all():
            raise ShapeError(f"a surface needs finite vertices [V, 3], found {list(self.vertices.shape)}")
        inside = not self.faces.size or (self.faces.min() >= 0 and self.faces.max() < len(self.vertices))
        if self.faces.ndim != 2 or self.faces.shape[1] != 3 or not inside:
            raise ShapeError(f"a surface needs faces [F, 3] of its {len(self.vertices)} vertices")
        allowed = np.ones(len(self.faces), bool)
        if face_mask is not None:
            allowed &= face_mask
        if vertex_mask is not None:
            allowed &= np.asarray(vertex_mask, bool)[self.faces].all(1)
        self.answering = np.flatnonzero(allowed)  # [n] faces that may be answered
        if not len(self.answering):
            raise ShapeError("a surface needs at least one face; its masks leave none")

    @functools.cached_property
    def face_normals(self) -> np.ndarray:
        """[F, 3] unit normals; zero for faces without area."""
        a, b, c = np.moveaxis(self.vertices[self.faces], 1, 0)
        return _unit(np.cross(b - a, c - a))

    @functools.cached_property
    def vertex_normals(self) -> np.ndarray:
        """[V, 3] unit normals, each face weighted by its angle at the vertex; zero where no face touches."""
        corners = self.vertices[self.faces]
        summed = np.zeros_like(self.vertices)
        for k in range(3):
            left, right = (_unit(corners[:, (k + turn) % 3] - corners[:, k]) for turn in (1, 2))
            angle = np.arccos(np.clip((left * right).sum(1), -1, 1))
            np.add.at(summed, self.faces[:, k], angle[:, None] * self.face_normals)
        return _unit(summed)

    def nearest(
        self,
        points: np.ndarray,  # [N, 3] metres
        *,
        normals: np.ndarray | None = None,  # [N, 3] unit
        max_angle_deg: float = 60.0,
        within: float = np.inf,
    ) -> Nearest:
        """The nearest place for each point, no farther than `within` metres.

        With `normals`, only faces whose normal is at most `max_angle_deg` from the point's own count: so the back
        of a lip never answers for its front.
        """
        from flame_tools.surface.nearest_numba import search

        points = np.ascontiguousarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise ShapeError(f"nearest takes finite points [N, 3], found {list(points.shape)}")
        if normals is not None and np.shape(normals) != points.shape:
            raise ShapeError(f"normals are {list(np.shape(normals))}, wanted {list(points.shape)} as the points are")
        order, corners, low, high = self._tree
        empty = np.zeros((0, 3))
        slots, barycentrics, squared = search(
            points,
            empty if normals is None else np.ascontiguousarray(normals, np.float64),
            empty if normals is None else self.face_normals[order],
            float(np.cos(np.radians(max_angle_deg))),
            corners,
            low,
            high,
            float(within) ** 2,
        )
        found = slots >= 0
        places = np.einsum("nk,nkc->nc", barycentrics, corners[slots])
        places[~found] = np.nan
        return Nearest(np.where(found, order[slots], -1), barycentrics, places, np.sqrt(squared))

    def side(self, points: np.ndarray, nearest: Nearest) -> np.ndarray:
        """[N] +1 outside, -1 inside, 0 on the surface or without a place: the sign of the distance.

        Uses the pseudonormal of the face, edge or vertex that is nearest (Baerentzen and Aanaes 2005), which is
        right for closed meshes; beyond the rim of an open one, the sign is that of the rim's own faces.
        """
        corners = self.faces[nearest.faces]
        on = nearest.barycentrics > 1e-12
        normal = self.face_normals[nearest.faces].copy()
        edge = on.sum(1) == 2
        normal[edge] += self.face_normals[self._across[nearest.faces[edge], np.argmin(on[edge], 1)]]
        vertex = on.sum(1) == 1
        normal[vertex] = self.vertex_normals[corners[vertex, np.argmax(on[vertex], 1)]]
        return np.where(nearest.found, np.sign(((points - nearest.points) * normal).sum(1)), 0.0)

    def on_rim(self, nearest: Nearest) -> np.ndarray:
        """[N] bool: where the nearest place lies on an edge that belongs to one face only."""
        zero = nearest.barycentrics <= 1e-12
        at_rim = self._across[nearest.faces] == nearest.faces[:, None]
        return (zero & at_rim).any(1) & nearest.found

    @functools.cached_property
    def _across(self) -> np.ndarray:
        """[F, 3] the face across the edge opposite to each corner; the face itself at a rim."""
        edges = np.sort(self.faces[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2), 1)
        order = np.lexsort((edges[:, 1], edges[:, 0]))
        paired = (edges[order[1:]] == edges[order[:-1]]).all(1)
        across = np.repeat(np.arange(len(self.faces)), 3)
        first, second = order[:-1][paired], order[1:][paired]
        across[first], across[second] = second // 3, first // 3
        return across.reshape(-1, 3)

    @functools.cached_property
    def _tree(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Faces in the order of the leaves [n], their corners [n, 3, 3], and the boxes of all nodes, root first.

        The tree is complete: node i has the children 2 i + 1 and 2 i + 2. To fill its leaves some faces stand twice.
        """
        depth = max(int(np.ceil(np.log2(len(self.answering) / LEAF))), 0)
        order = np.resize(self.answering, LEAF << depth)
        centres = self.vertices[self.faces].mean(1)
        for level in range(depth):
            rows = order.reshape(1 << level, -1)
            spread = centres[rows]  # [nodes, n, 3]
            axis = np.argmax(np.ptp(spread, axis=1), axis=1)
            along = np.take_along_axis(spread, axis[:, None, None], 2)[..., 0]
            order = np.take_along_axis(rows, np.argsort(along, axis=1, kind="stable"), 1).ravel()
        corners = self.vertices[self.faces[order]]
        low, high = corners.min(1).reshape(-1, LEAF, 3).min(1), corners.max(1).reshape(-1, LEAF, 3).max(1)
        lows, highs = [low], [high]
        while len(low) > 1:
            low, high = low.reshape(-1, 2, 3).min(1), high.reshape(-1, 2, 3).max(1)
            lows.append(low)
            highs.append(high)
        return order, np.ascontiguousarray(corners), np.concatenate(lows[::-1]), np.concatenate(highs[::-1])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-300)
