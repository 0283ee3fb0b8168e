"""The places of a head's skin at which pictures are compared: vertices of the face, their normals, with derivatives.

Where a picture shows something else than skin is left out: eyeballs, the inside of the mouth with its teeth, the lips'
inner edges, the rims of the lids, and whatever lies beyond the outline of the face, where hair begins.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from flame_tools.kept import kept_with_head
from flame_tools.surface.embedding import at_vertices
from flame_tools.types import HeadArrays
from recon.fitting.landmark_model import LandmarkModel
from recon.texture.face_area import LID_RIM_M, distance, face_area, off_lip_edges, plain_skin
from recon.texture.surface import smooth_step
from render.kept_looks import look_of

INSIDE = 0.6  # of recon.texture.face_area.face_area: how far within the outline a sample lies


@dataclass(frozen=True, eq=False)
class SkinSamples:
    """M vertices of the face, of which some are compared."""

    model: LandmarkModel  # of the M vertices
    vertices: np.ndarray  # [M] in the head
    triangles: np.ndarray  # [F, 3] among them
    used: np.ndarray  # [M] in [0, 1]: how far a sample is skin, with all its triangles
    plain: np.ndarray  # [M] in [0, 1]: skin of one tone
    open: np.ndarray  # [M] share of the sky it sees
    density: float  # samples that are used to a square as wide as the eyes are apart
    places: np.ndarray  # [M, 3] on the mean face, in shares of its half width from its middle

    def normals(self, points: np.ndarray) -> np.ndarray:
        """Points [M, 3] -> normals [M, 3], area-weighted, not of unit length."""
        a, b, c = (points[self.triangles[:, k]] for k in range(3))
        normal, flat = np.cross(b - a, c - a), self.triangles.T.ravel()
        return np.stack([np.bincount(flat, np.tile(normal[:, k], 3), len(points)) for k in range(3)], 1)

    def grown(self, chosen: np.ndarray, rings: int) -> np.ndarray:
        """[T, M] bool: the chosen samples of each picture and their neighbours, some rings of triangles further."""
        chosen = chosen.copy()
        for _ in range(rings):
            for row in chosen:
                row[self.triangles[row[self.triangles].any(1)]] = True
        return chosen


@kept_with_head
def skin_samples(head: HeadArrays) -> SkinSamples:
    """The samples of a head. Kept with the head."""
    wanted = [k for k, name in enumerate(head.materials) if name in ("skin", "lips")] or range(len(head.materials))
    faces = head.faces[np.isin(head.face_material, list(wanted))]
    area = face_area(head)
    inside = area > 0.02
    faces = faces[inside[faces].all(1)]
    vertices = np.unique(faces)
    triangles = np.searchsorted(vertices, faces)

    edge = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
    ends, times = np.unique(edge, axis=0, return_counts=True)
    whole = np.ones(len(vertices), bool)
    whole[ends[times == 1]] = False  # its triangles are not all here
    rest = head.v_template[vertices].astype(np.float64)
    used = smooth_step(area[vertices], INSIDE - 0.3, INSIDE) * off_lip_edges(head)[vertices] * whole
    rims = [v for name, v in head.regions.items() if name.endswith("_lid_margin") and len(v)]
    if rims:
        used *= smooth_step(distance(rest, head.v_template[np.concatenate(rims)]), *LID_RIM_M)

    model = LandmarkModel(
        dataclasses.replace(head, landmarks={**head.landmarks, "skin": at_vertices(head.faces, vertices)}), ("skin",)
    )
    middle = (rest.max(0) + rest.min(0)) / 2
    places = (rest - middle) / (np.ptp(rest[:, 0]) / 2)
    open_ = look_of(head).occlusion[vertices]
    a, b, c = rest[triangles[(used > 0.5)[triangles].all(1)]].swapaxes(0, 1)
    eyes = np.square(np.subtract(*model.joint_template[3:5])).sum()
    density = float((used > 0.5).sum() * eyes / (0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()))
    return SkinSamples(model, vertices, triangles, used, plain_skin(head)[vertices], open_, density, places)
