"""Where the jaw line is seen as the head turns: the table of contour landmarks of any head with the 68.

Entry i of the table is a yaw of i degrees for i in 0..39, of 39 - i for i in 40..78. A positive yaw turns the head to
the subject's left (+y). The 17 points run from the subject's right ear over the chin to the left ear. On the side
that comes nearer they stay the static points; on the side that turns away each slides forward over the cheek, at its
own height, to where the skin's outline is seen at that yaw.
"""

from __future__ import annotations

import numpy as np

from flame_tools.errors import InputError
from flame_tools.types import Embedding, HeadArrays

LARGEST = 39  # degrees
JAW_POINTS, CHIN = 17, 8
STEP_M = 5e-4  # places along a ring that may be chosen
SMOOTH = 4  # degrees on each side over which a point's way is averaged
LEAST_INSIDE = 1e-3  # a ring starts this far (barycentric) from the edges of its triangle
HOLLOW_M = 4e-4  # an outline may dip by this much on its way to the cheek; the nose is further


def contour_table(arrays: HeadArrays) -> Embedding:  # [79, 17]
    """The contour landmarks of a head at rest, from its "68" and its surface."""
    if "68" not in arrays.landmarks:
        raise InputError(f"head {arrays.id!r} has no landmarks '68', from which its jaw line is followed")
    static = arrays.landmarks["68"]
    jaw_faces, jaw_weights = static.faces[:JAW_POINTS], static.barycentrics[:JAW_POINTS]
    faces = np.tile(np.asarray(jaw_faces, np.int32), (2 * LARGEST + 1, 1))
    weights = np.tile(np.asarray(jaw_weights, np.float32), (2 * LARGEST + 1, 1, 1))
    vertices = np.asarray(arrays.v_template, np.float64)
    for point in range(JAW_POINTS):
        if point == CHIN:
            continue
        side = 1.0 if point > CHIN else -1.0
        ring = follow_ring(vertices, arrays.faces, int(jaw_faces[point]), jaw_weights[point])
        seen = np.array([ring.outline(np.radians(degrees), side) for degrees in range(LARGEST + 1 + SMOOTH)])
        for degrees in range(1, LARGEST + 1):  # the side turns away; where it is nearly flat the outline leaps
            near = min(SMOOTH, degrees)
            place = round(float(seen[degrees - near : degrees + near + 1].mean()))
            entry = degrees if side > 0 else LARGEST + degrees
            faces[entry, point], weights[entry, point] = ring.faces[place], ring.weights[place]
    return Embedding(faces, weights)


class Ring:
    """A level line of the skin from a point of the jaw forward to the midline, as places a small step apart."""

    def __init__(self, faces: np.ndarray, weights: np.ndarray, points: np.ndarray):
        self.faces, self.weights, self.points = faces, weights, points

    def outline(self, yaw: float, side: float) -> int:
        """The place that sticks out furthest when this side has turned away by `yaw` (radians), before any hollow."""
        across = side * np.cos(yaw) * self.points[:, 0] + np.sin(yaw) * self.points[:, 2]
        highest = np.maximum.accumulate(across)
        dips = np.flatnonzero(across < highest - HOLLOW_M)
        return int(across[: dips[0] if len(dips) else None].argmax())


def follow_ring(vertices: np.ndarray, faces: np.ndarray, start: int, weights: np.ndarray) -> Ring:
    """Walk from a place in triangle `start` along its own height, forward, until the midline or a rim."""
    inward = np.maximum(np.asarray(weights, np.float64), LEAST_INSIDE)  # a corner belongs to several triangles
    origin = inward / inward.sum() @ vertices[faces[start]]
    height = vertices[:, 1] - origin[1]
    height = np.where(np.abs(height) < 1e-9, 1e-9, height)  # no vertex on the level: every crossing is inside an edge
    ends = np.sort(np.stack([faces, np.roll(faces, -1, 1)], -1), -1)  # [F, 3, 2]
    at_edge: dict[tuple[int, int], list[int]] = {}
    crossed = (height[ends[..., 0]] > 0) != (height[ends[..., 1]] > 0)
    for face in np.flatnonzero(crossed.any(1)).tolist():
        for corner in np.flatnonzero(crossed[face]).tolist():
            at_edge.setdefault(tuple(ends[face, corner].tolist()), []).append(face)

    def crossing(edge: tuple[int, int]) -> np.ndarray:
        a, b = edge
        share = height[a] / (height[a] - height[b])
        return vertices[a] + share * (vertices[b] - vertices[a])

    def exits(face: int) -> list[tuple[int, int]]:
        return [tuple(e) for e, c in zip(ends[face].tolist(), crossed[face], strict=True) if c]

    side = np.sign(origin[0])
    face, here = start, origin
    edge = max(exits(face), key=lambda e: crossing(e)[2])
    path = [(face, here, crossing(edge))]
    seen = {face}
    while True:
        here = crossing(edge)
        onward = [f for f in at_edge[edge] if f not in seen]
        if not onward or here[0] * side < 0:
            break
        face = onward[0]
        seen.add(face)
        edge = next(e for e in exits(face) if e != edge)
        path.append((face, here, crossing(edge)))
    return _sampled(path, vertices, faces)


def _sampled(path, vertices, faces) -> Ring:
    """Places STEP_M apart on a path of (triangle, from, to)."""
    which, points = [], []
    for face, a, b in path:
        many = max(int(np.ceil(np.linalg.norm(b - a) / STEP_M)), 1)
        points.append(a + (np.arange(many) / many)[:, None] * (b - a))
        which += [face] * many
    points = np.concatenate(points)
    which = np.array(which)
    corners = vertices[faces[which]]
    edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], -1)  # [n, 3, 2]
    gram = edges.transpose(0, 2, 1) @ edges
    right = edges.transpose(0, 2, 1) @ (points - corners[:, 0])[..., None]
    two = np.linalg.solve(gram, right)[..., 0]
    weights = np.clip(np.concatenate([1.0 - two.sum(1, keepdims=True), two], 1), 0.0, 1.0)
    return Ring(which, (weights / weights.sum(1, keepdims=True)).astype(np.float32), points)
