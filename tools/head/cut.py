"""Cuts the head and neck out of the base mesh, and puts the head's parts together.

Skin first, in source order, then the parts (left eyeball, right eyeball, upper teeth, lower teeth, tongue). Every
vertex of the head is an affine combination of source vertices, so one sparse matrix carries any identity or shape of
the source over to the head. The head's origin lies midway between the eyeball centres and the ear canals.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from tools.head.source import Source, mean_vertices

NECK_LOOP = 1522  # source vertex on the front midline; the edge loop through it runs round the base of the neck
NOSE_TIP = 5054
LEFT_EAR_CANAL = 12239  # source vertex deep in the left concha, at the mouth of the ear canal


@dataclass(frozen=True, eq=False)
class Part:
    """A piece that is added to the skin, on the mean head in the head's frame (n vertices, m triangles)."""

    name: str  # left_eyeball, right_eyeball, upper_teeth, lower_teeth, tongue
    vertices: np.ndarray  # [n, 3] metres, head frame, mean identity
    faces: np.ndarray  # [m, 3] local indices, counter-clockwise from outside
    uv: np.ndarray  # [u, 2] in the unit square; the atlas gives the square its place
    uv_faces: np.ndarray  # [m, 3] into uv
    material: tuple[str, ...]  # [m] names, e.g. sclera, iris, pupil, teeth, gums, tongue
    follow: sp.csr_matrix  # [n, N source vertices], rows sum to 1: how the part follows identity
    weights: np.ndarray  # [n, 5] skinning weights over root, neck, jaw, left eye, right eye
    mirror: np.ndarray  # [n] local index in the mirrored part (left eye -> right eye; the others in themselves)
    regions: dict[str, np.ndarray] = field(default_factory=dict)  # name -> local indices


@dataclass(frozen=True, eq=False)
class Cut:
    """The skin of the head: `source` is sorted, so skin vertex i is source vertex `source[i]`."""

    source: np.ndarray  # [Vs] source index of each skin vertex
    faces: np.ndarray  # [Fs, 3] int32
    quads: np.ndarray  # [Qs, 4] the quads the triangles came from, skin indices
    quad_uv: np.ndarray  # [Qs, 4] into the source's uv
    face_quad: np.ndarray  # [Fs] the quad of each triangle
    mirror: np.ndarray  # [Vs]
    rim: np.ndarray  # [r] skin vertices of the cut, in order round the neck

    def skin_index(self, source_vertices: np.ndarray) -> np.ndarray:
        """Skin indices of source vertices (they must be in the cut)."""
        found = np.searchsorted(self.source, source_vertices)
        if not np.array_equal(self.source[np.minimum(found, len(self.source) - 1)], source_vertices):
            raise KeyError("some of these source vertices are not part of the head")
        return found


@functools.cache
def cut_head(source: Source) -> Cut:
    """The head and neck above the loop at the base of the neck."""
    body = source.quad_group == source.groups.index("body")
    quads, quad_uv = source.quads[body], source.quad_uv[body]
    mean = mean_vertices(source)
    rim = edge_loop(quads, NECK_LOOP, int(_left_neighbour(quads, mean, NECK_LOOP)))
    keep = _flood(quads, rim, NOSE_TIP)
    quads, quad_uv = quads[keep], quad_uv[keep]
    kept = np.unique(quads)
    local = np.full(len(source.vertices), -1)
    local[kept] = np.arange(len(kept))
    mirror = local[source.mirror[kept]]
    triangles, face_quad = _triangulate(local[quads], mean[kept], mirror)
    return Cut(kept, triangles.astype(np.int32), local[quads], quad_uv, face_quad, mirror, local[rim])


def reflect(offsets: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Offsets [V, 3] of the mirror image."""
    return offsets[mirror] * np.array([-1.0, 1.0, 1.0])


def origin_row(source: Source) -> sp.csr_matrix:
    """The head's origin as weights [1, N] over source vertices."""
    columns, values = [], []
    for eye in ("helper-l-eye", "helper-r-eye"):
        vertices = source.vertex_groups[eye]
        columns += list(vertices)
        values += [0.25 / len(vertices)] * len(vertices)
    for ear in (LEFT_EAR_CANAL, source.mirror[LEFT_EAR_CANAL]):
        columns.append(int(ear))
        values.append(0.25)
    return sp.csr_matrix((values, (np.zeros(len(columns), int), columns)), shape=(1, len(source.vertices)))


def to_head_frame(source: Source, vertices: np.ndarray) -> np.ndarray:
    """Source vertices [N, 3] moved so that this identity's own origin is at zero."""
    return vertices - origin_row(source) @ vertices


@dataclass(frozen=True, eq=False)
class Assembly:
    """Skin and parts as one mesh of V vertices."""

    source: Source
    cut: Cut
    parts: tuple[Part, ...]
    matrix: sp.csr_matrix  # [V, N] from source vertices to head vertices
    faces: np.ndarray  # [F, 3] int32
    mirror: np.ndarray  # [V]
    ranges: dict[str, slice]  # "skin" and each part's name -> its vertices

    def positions(self, source_vertices: np.ndarray) -> np.ndarray:
        """Head vertices [V, 3] in the head's frame for an identity of the source [N, 3]."""
        return self.matrix @ to_head_frame(self.source, source_vertices)

    def offsets(self, source_offsets: np.ndarray) -> np.ndarray:
        """Head offsets [V, 3] of a shape of the source [N, 3] that leaves the head's frame where it is."""
        return self.matrix @ source_offsets


def assemble(source: Source, cut: Cut, parts: tuple[Part, ...]) -> Assembly:
    """One mesh from the skin and its parts, in their order."""
    n = len(source.vertices)
    skin = sp.csr_matrix(
        (np.ones(len(cut.source)), (np.arange(len(cut.source)), cut.source)), shape=(len(cut.source), n)
    )
    starts = np.cumsum([len(cut.source)] + [len(part.vertices) for part in parts])
    ranges = {"skin": slice(0, len(cut.source))}
    ranges |= {
        part.name: slice(int(start), int(start) + len(part.vertices))
        for part, start in zip(parts, starts[:-1], strict=True)
    }
    faces = [cut.faces] + [part.faces + ranges[part.name].start for part in parts]
    opposite = {"left_eyeball": "right_eyeball", "right_eyeball": "left_eyeball"}
    mirror = [cut.mirror] + [part.mirror + ranges[opposite.get(part.name, part.name)].start for part in parts]
    matrix = sp.vstack([skin] + [part.follow for part in parts]).tocsr()
    return Assembly(source, cut, parts, matrix, np.concatenate(faces).astype(np.int32), np.concatenate(mirror), ranges)


def edge_loop(quads: np.ndarray, first: int, second: int) -> np.ndarray:
    """Follow an edge loop of a quad mesh straight through its four-sided vertices until it closes."""
    around = defaultdict(set)
    sharing = defaultdict(set)
    for i, quad in enumerate(quads):
        for a, b in zip(quad, np.roll(quad, -1), strict=True):
            around[int(a)].add(int(b))
            around[int(b)].add(int(a))
        for vertex in quad:
            sharing[int(vertex)].add(i)
    loop = [first, second]
    while loop[-1] != first:
        before, here = loop[-2:]
        beside = {int(v) for i in sharing[before] & sharing[here] for v in quads[i]}
        ahead = around[here] - beside
        if len(around[here]) != 4 or len(ahead) != 1:
            raise ValueError(f"the edge loop through {first} and {second} ends at vertex {here}, which is no crossing")
        loop.append(ahead.pop())
    return np.array(loop[:-1])


def _left_neighbour(quads: np.ndarray, positions: np.ndarray, vertex: int) -> int:
    edges = np.concatenate([np.stack([quads, np.roll(quads, -1, 1)], -1), np.stack([quads, np.roll(quads, 1, 1)], -1)])
    edges = edges.reshape(-1, 2)
    neighbours = np.unique(edges[edges[:, 0] == vertex, 1])
    return neighbours[np.argmax(positions[neighbours, 0])]


def _flood(quads: np.ndarray, rim: np.ndarray, seed_vertex: int) -> np.ndarray:
    """Mask of the quads on the seed's side of the rim, a closed loop of vertices."""
    barrier = {frozenset(edge) for edge in zip(rim.tolist(), np.roll(rim, -1).tolist(), strict=True)}
    by_edge = defaultdict(list)
    for i, quad in enumerate(quads.tolist()):
        for j in range(4):
            edge = frozenset((quad[j], quad[j - 1]))
            if edge not in barrier:
                by_edge[edge].append(i)
    reached = np.zeros(len(quads), bool)
    queue = np.flatnonzero((quads == seed_vertex).any(1)).tolist()
    reached[queue] = True
    while queue:
        quad = quads[queue.pop()].tolist()
        for j in range(4):
            for other in by_edge.get(frozenset((quad[j], quad[j - 1])), ()):
                if not reached[other]:
                    reached[other] = True
                    queue.append(other)
    return reached


def _triangulate(quads: np.ndarray, positions: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split quads along their shorter diagonal, the right half exactly as the mirrored left half."""
    corners = positions[quads]
    split02 = np.linalg.norm(corners[:, 0] - corners[:, 2], axis=-1) <= np.linalg.norm(
        corners[:, 1] - corners[:, 3], axis=-1
    )
    place = {frozenset(quad): i for i, quad in enumerate(quads.tolist())}
    diagonal = [
        frozenset(quad[0::2] if even else quad[1::2]) for quad, even in zip(quads.tolist(), split02, strict=True)
    ]
    for i, quad in enumerate(quads.tolist()):
        twin = place[frozenset(mirror[quad].tolist())]
        if corners[i, :, 0].mean() < 0.0 and twin != i:
            diagonal[i] = frozenset(int(mirror[v]) for v in diagonal[twin])
    triangles = []
    for quad, across in zip(quads.tolist(), diagonal, strict=True):
        a, b, c, d = quad
        triangles += [[a, b, c], [a, c, d]] if frozenset((a, c)) == across else [[a, b, d], [b, c, d]]
    return np.array(triangles), np.repeat(np.arange(len(quads)), 2)
