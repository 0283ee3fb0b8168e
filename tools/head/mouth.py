"""Puts teeth, gums and tongue into the head, and ties them to the source so that they follow every identity.

The frame of `teeth` and `tongue` (millimetres) is laid where the mean head's lips touch. Each row of teeth is an
affine image of the source's helper teeth, so a person's row is as wide, long and far forward as the sculptor's.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tools.head import tongue as tongue_shapes
from tools.head.cut import Cut, Part, to_head_frame
from tools.head.gums import build_gums
from tools.head.half_mesh import join, reflect
from tools.head.lips import CONTACT_RING
from tools.head.source import Source, mean_vertices
from tools.head.teeth import LOWER, UPPER, Row, build_row

MM = 1e-3
NECK, JAW = 1, 2
MOUTH_UV = (0.757, 0.925, 0.0, 0.137)  # the mouth bag's island in the source's atlas: u from, to, v from, to


def build_mouth(source: Source) -> tuple[Part, Part, Part]:
    """Upper teeth with gums, lower teeth with gums, tongue: on the mean head, in the head's frame."""
    mean = to_head_frame(source, mean_vertices(source))
    origin = mouth_origin(mean)
    return (
        _row_part(source, mean, origin, "upper", UPPER, NECK),
        _row_part(source, mean, origin, "lower", LOWER, JAW),
        _tongue_part(source, mean, origin),
    )


def mouth_origin(vertices: np.ndarray) -> np.ndarray:
    """Where the lips touch on the midline [3], for source vertices [N, 3] in metres."""
    return vertices[CONTACT_RING] * [0.0, 1.0, 1.0]


def tongue_offsets() -> dict[str, np.ndarray]:
    """The tongue's shapes at weight 1 as offsets [n, 3] in metres on the part `tongue`; `tongueOut` is among them."""
    return {name: tongue_shapes.shape_offsets(name) * MM for name in ("tongueOut", *tongue_shapes.SHAPES)}


def tongue_opening() -> np.ndarray:
    """Offsets [n, 3] in metres on the part `tongue` at rest: what it does at jawOpen 1 besides riding on the jaw."""
    return tongue_shapes.shape_offsets("jawOpen") * MM


def mouth_bag(source: Source, cut: Cut) -> np.ndarray:
    """Mask [Fs] of the cut's triangles that line the mouth behind the lips: their material is "mouth"."""
    centre = source.uv[cut.quad_uv].mean(1)
    low_u, high_u, low_v, high_v = MOUTH_UV
    inside = (centre[:, 0] > low_u) & (centre[:, 0] < high_u) & (centre[:, 1] > low_v) & (centre[:, 1] < high_v)
    return inside[cut.face_quad]


def affine_follow(source: Source, mean: np.ndarray, group: str, points: np.ndarray) -> sp.csr_matrix:
    """Weights [n, N] that carry points along as the best affine map of a helper group; exact on the mean."""
    members = source.vertex_groups[group]
    centre = mean[members].mean(0) * [0.0, 1.0, 1.0]
    basis = np.concatenate([mean[members] - centre, np.ones((len(members), 1))], 1)
    rows = np.concatenate([points - centre, np.ones((len(points), 1))], 1) @ np.linalg.pinv(basis)
    columns = np.tile(members, len(points))
    indptr = np.arange(len(points) + 1) * len(members)
    return sp.csr_matrix((rows.ravel(), columns, indptr), shape=(len(points), len(source.vertices)))


def _row_part(source: Source, mean: np.ndarray, origin: np.ndarray, side: str, row: Row, joint: int) -> Part:
    crowns, gums = reflect(build_row(row)[0]), reflect(build_gums(row))
    whole = join([crowns, gums])
    points = origin + whole.vertices * MM
    weights = np.zeros((len(points), 5))
    weights[:, joint] = 1.0
    tooth_ids, gum_ids = np.arange(len(crowns.vertices)), np.arange(len(crowns.vertices), len(points))
    # the crowns in the upper half of the square, the gums in the lower
    uv = np.concatenate([crowns.uv * [1.0, 0.5] + [0.0, 0.5], gums.uv * [1.0, 0.5]])
    return Part(
        f"{side}_teeth",
        points,
        whole.faces,
        uv,
        whole.uv_faces,
        ("teeth",) * len(crowns.faces) + ("gums",) * len(gums.faces),
        affine_follow(source, mean, f"helper-{side}-teeth", points),
        weights,
        whole.mirror,
        {"teeth": tooth_ids, f"{side}_teeth": tooth_ids, "gums": gum_ids, "mouth": np.arange(len(points))},
    )


def _tongue_part(source: Source, mean: np.ndarray, origin: np.ndarray) -> Part:
    shape = tongue_shapes.build_tongue()
    points = origin + shape.vertices * MM
    weights = np.zeros((len(points), 5))
    weights[:, JAW] = 1.0
    every = np.arange(len(points))
    return Part(
        "tongue",
        points,
        shape.faces,
        shape.uv,
        shape.uv_faces,
        ("tongue",) * len(shape.faces),
        affine_follow(source, mean, "helper-lower-teeth", points),
        weights,
        shape.mirror,
        {"tongue": every, "mouth": every},
    )
