"""Where a picture shows the mouth and not the lips: between the inner edges of the lips as they were read in it."""

from __future__ import annotations

import numpy as np

from flame_tools.kept import kept_with_head
from flame_tools.types import HeadArrays
from recon.texture.face_area import Face, distance, face_of, landmark_points, signed_distance
from recon.texture.posed_view import PosedView
from recon.texture.surface import smooth_step
from render.camera import project

RING = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)  # MediaPipe's
NEAR_M = 0.014  # from the lips' inner edges at rest: as far as a fit may be off
BEYOND_M = (0.0008, 0.0022)  # outside what was read: the dark rim of the mouth, and where lips are clear of it


def off_mouth(view: PosedView, scale: np.ndarray, head: HeadArrays, face: Face) -> np.ndarray:
    """[T] float32: 0 where a view shows teeth, tongue or the dark between the lips, 1 elsewhere.

    `scale` [T] is in pixels a metre. The mesh of a smile may lie some millimetres off the lips that are seen, so that
    what `Face.off_lip_edges` says of the mesh does not do.
    """
    shown = np.ones(len(face.cell), np.float32)
    near = _near_lips(head, face.atlas.size)
    seen = near[scale[near] > 0]
    if view.observation is None or not len(seen):
        return shown
    pixels = project(face.atlas.part(seen).spread(view.vertices), view.camera)[:, :2]
    metres = signed_distance(pixels, view.observation.landmarks[list(RING)]) / np.median(scale[seen])
    shown[seen] = smooth_step(-metres, *BEYOND_M)
    return shown


@kept_with_head
def _near_lips(head: HeadArrays, size: int) -> np.ndarray:
    """[n] which texels of the face lie near the inner edges of the lips."""
    face = face_of(head, size)
    edges = landmark_points(head, RING)
    low, high = edges.min(0) - NEAR_M, edges.max(0) + NEAR_M
    within = np.flatnonzero(((face.rest > low) & (face.rest < high)).all(1))
    return within[distance(face.rest[within], edges) < NEAR_M]
