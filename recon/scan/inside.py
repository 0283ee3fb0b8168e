"""What of a mesh no scanner sees: the mouth's inside, teeth and eyes' backs of a modelled head.

A scan shows what can be seen of a face. A mesh that was made by hand, or taken off a head model, goes on behind the
lips and lids, and how far points there are from a predicted face says nothing. Metres, in the head's frame (y up, the
face towards +z).
"""

from __future__ import annotations

import numpy as np

REACH_M = 0.08  # about the middle of the face: eyes, nose, mouth and cheeks, and nothing that the face itself hides
NEAR_M = 0.003  # a point as near as this to one that is seen is seen: creases of lips, lids and nostrils
FEW = 0.03  # share of the face's points: less than this is in creases, and an inside is more
YAWS, PITCHES = (-80, -55, -25, 0, 25, 55, 80), (-60, -30, 0, 30, 60)  # degrees, from the front alone
_AROUND = 1.7  # times the radius: what may stand before the face, or closes it off
_SIZE = 640  # pixels a side


def inside(vertices: np.ndarray, faces: np.ndarray, centre: np.ndarray, radius: float = REACH_M) -> np.ndarray:
    """[N] bool: vertices within `radius` of the face's `centre` of whose triangles [F, 3] none is seen from outside.

    Looked at from before the face, 35 times. A cloud of points hides nothing.
    """
    from scipy.spatial import cKDTree

    away = np.linalg.norm(vertices - centre, axis=1)
    near, hidden = away <= radius, np.zeros(len(vertices), bool)
    triangles = faces[(away <= _AROUND * radius)[faces].all(1)].astype(np.int32)
    if not len(triangles):
        return hidden
    small = (vertices - centre) / (1.01 * _AROUND * radius)
    shown = np.zeros((2, len(triangles)), bool)  # by the side that their winding calls the back, and by the other
    for yaw in np.radians(YAWS):
        for pitch in np.radians(PITCHES):
            first, side = _seen_from(small, triangles, yaw, pitch)
            shown[side, first] = True
    seen = np.zeros(len(vertices), bool)
    # A mouth that is seen through an open neck shows its back. The outside is what is seen more, however it is wound.
    seen[triangles[shown[shown.sum(1).argmax()]]] = True
    lost = np.flatnonzero(near & ~seen)
    if len(lost):
        hidden[lost] = cKDTree(vertices[seen]).query(vertices[lost])[0] > NEAR_M
    return hidden if hidden.sum() > FEW * near.sum() else np.zeros_like(hidden)


def _seen_from(vertices: np.ndarray, triangles: np.ndarray, yaw: float, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """Which triangles are seen, without perspective, of what lies within 1 of the origin; 1 for each by its front."""
    import torch

    from render.raster import rasterize

    towards = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    across = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    places = vertices @ np.stack([across, np.cross(towards, across), -towards]).T
    clip = torch.from_numpy(np.concatenate([places, np.ones((len(places), 1))], 1)[None])
    found = rasterize(clip, torch.from_numpy(triangles), (_SIZE, _SIZE)).face_id.numpy()
    first = np.unique(found[found >= 0])
    a, b, c = np.moveaxis(places[triangles[first], :2], 1, 0)
    return first, (np.linalg.det(np.stack([b - a, c - a], -1)) > 0).astype(int)
