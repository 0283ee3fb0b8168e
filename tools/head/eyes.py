"""The eyeballs: two spheres with the pole on the optical axis, so that pupil, iris and limbus are rings of the mesh.

The source's eye helpers are egg-shaped and too large for a life-size head, so the balls are made anew: 24 mm across as
in nearly every adult, with an iris of 11.7 mm that serves as a measure of scale. They keep that size in every identity
and are carried to where the lids are (`tools.head.lid_fit` finds the place), so a ball is a sphere in every head.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from flame_tools.surface.eyeball import IRIS_RADIUS_M, PUPIL_RADIUS_M
from flame_tools.types import Embedding
from tools.head.cut import Assembly, Part, to_head_frame
from tools.head.source import Source, mean_vertices

RADIUS = 0.0120  # metres
SEGMENTS = 32
# Rings from the pole to the back: distances from the axis up to the limbus (metres), then angles (degrees).
IRIS_RINGS = (0.00095, PUPIL_RADIUS_M, 0.0030, 0.0042, 0.0052, IRIS_RADIUS_M)
SCLERA_RINGS = (32.0, 37.0, 44.0, 52.0, 61.0, 70.0, 80.0, 90.0, 102.0, 116.0, 132.0, 150.0, 166.0)
EQUATOR = len(IRIS_RINGS) + SCLERA_RINGS.index(90.0)
# In the ball's UV square: the iris is a flat disc about (0.5, 0.5); the sclera is wrapped round it, angle as distance.
IRIS_UV_RADIUS = 0.22
BACK_UV_RADIUS = 0.49

# The macro targets' mean has lids 22 mm wide and pupils 58 mm apart on a head of adult size; people have 28-30 and 63.
NEUTRAL_TARGETS = {"eye-scale-incr": 0.7, "eye-trans-out": 0.5}


def neutral_offset(source: Source) -> np.ndarray:
    """Offsets [N, 3] that give the mean, and every identity alike, eyes of a person's size."""
    return sum(
        weight * source.target(f"eyes/{side}-{name}") for name, weight in NEUTRAL_TARGETS.items() for side in "lr"
    )


def unit_ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions [n, 3] of the ball's vertices (pole first, back last), faces [m, 3] and the ring [m] of each face."""
    angles = np.concatenate([np.arcsin(np.array(IRIS_RINGS) / RADIUS), np.radians(SCLERA_RINGS)])
    turn = np.arange(SEGMENTS) * (2.0 * np.pi / SEGMENTS)
    around = np.stack([np.cos(turn), np.sin(turn)], -1)
    around = np.where(np.abs(around) < 1e-12, 0.0, around)
    rings = [np.concatenate([np.sin(a) * around, np.full((SEGMENTS, 1), np.cos(a))], 1) for a in angles]
    directions = np.concatenate([[[0.0, 0.0, 1.0]], *rings, [[0.0, 0.0, -1.0]]])
    here, beyond = np.arange(SEGMENTS), np.roll(np.arange(SEGMENTS), -1)
    faces, ring = [np.stack([np.zeros(SEGMENTS, int), 1 + here, 1 + beyond], -1)], [np.zeros(SEGMENTS, int)]
    for i in range(len(angles) - 1):
        a, b, c, d = (1 + i * SEGMENTS + k for k in (here, here + SEGMENTS, beyond + SEGMENTS, beyond))
        faces += [np.stack([a, b, c], -1), np.stack([a, c, d], -1)]
        ring += [np.full(2 * SEGMENTS, i + 1)]
    last = 1 + (len(angles) - 1) * SEGMENTS
    faces.append(np.stack([last + here, np.full(SEGMENTS, len(directions) - 1), last + beyond], -1))
    ring.append(np.full(SEGMENTS, len(angles)))
    return directions, np.concatenate(faces), np.concatenate(ring)


def build_eyes(source: Source) -> tuple[Part, Part]:
    """The left and the right eyeball; the right one is the left one's mirror image to the bit."""
    mean = to_head_frame(source, mean_vertices(source) + neutral_offset(source))
    directions, faces, ring = unit_ball()
    uv, uv_faces = _ball_uv(directions, faces)
    material = tuple(np.array(["pupil", "iris", "sclera"])[np.digitize(ring, [2, len(IRIS_RINGS)])].tolist())
    every = np.arange(len(directions))
    parts = []
    for side, joint in (("left", 3), ("right", 4)):
        helper = source.vertex_groups[f"helper-{side[0]}-eye"]
        sign = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
        centre = mean[source.vertex_groups["helper-l-eye"]].mean(0) * sign
        weights = np.zeros((len(every), 5))
        weights[:, joint] = 1.0
        follow = np.zeros((len(every), len(mean)))
        follow[:, helper] = 1.0 / len(helper) + _spread(mean[helper], RADIUS * directions * sign)
        regions = {
            f"{side}_eyeball": every,
            f"{side}_iris": np.unique(faces[ring < len(IRIS_RINGS)]),
            f"{side}_pupil": np.unique(faces[ring < 2]),
            f"{side}_eye_equator": 1 + EQUATOR * SEGMENTS + np.arange(SEGMENTS),
        }
        turned = faces if side == "left" else faces[:, ::-1]
        parts.append(
            Part(
                f"{side}_eyeball",
                centre + RADIUS * directions * sign,
                turned,
                uv,
                uv_faces if side == "left" else uv_faces[:, ::-1],
                material,
                sp.csr_matrix(follow),
                weights,
                every,
                regions,
            )
        )
    return parts[0], parts[1]


def iris_landmarks(assembly: Assembly) -> Embedding:
    """The iris points in the order of MediaPipe's iris network: centre, nasal, top, temporal, bottom; right eye first.

    The network knows right eyes and sees left ones mirrored. The ring points are vertices of the limbus.
    """
    limbus = 1 + (len(IRIS_RINGS) - 1) * SEGMENTS
    quarter = SEGMENTS // 4
    faces, barycentrics = [], []
    for side in ("right", "left"):
        for local in (0, *(limbus + step * quarter for step in (2, 1, 0, 3))):  # step 0 of a ball is its temporal side
            vertex = assembly.ranges[f"{side}_eyeball"].start + local
            face = int(np.flatnonzero((assembly.faces == vertex).any(1))[0])
            faces.append(face)
            barycentrics.append(assembly.faces[face] == vertex)
    return Embedding(np.array(faces, np.int32), np.array(barycentrics, np.float32))


def _ball_uv(directions: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UV [u, 2] and faces: as seen from the front; the back pole is a ring of corners at the rim of the disc."""
    angle = np.arccos(np.clip(directions[:, 2], -1.0, 1.0))
    limbus = np.arcsin(IRIS_RADIUS_M / RADIUS)
    flat = IRIS_UV_RADIUS * np.sin(np.minimum(angle, limbus)) / np.sin(limbus)
    wrapped = (BACK_UV_RADIUS - IRIS_UV_RADIUS) * np.maximum(angle - limbus, 0.0) / (np.pi - limbus)
    across = np.hypot(directions[:, 0], directions[:, 1])
    heading = directions[:, :2] / np.maximum(across, 1e-9)[:, None]
    uv = 0.5 + (flat + wrapped)[:, None] * heading
    back = len(directions) - 1
    half = (np.arange(SEGMENTS) + 0.5) * (2.0 * np.pi / SEGMENTS)
    rim = 0.5 + BACK_UV_RADIUS * np.stack([np.cos(half), np.sin(half)], -1)
    uv_faces = faces.copy()
    last = np.flatnonzero((faces == back).any(1))
    for i, face in enumerate(last):
        uv_faces[face] = np.where(faces[face] == back, back + i, faces[face])
    return np.concatenate([uv[:back], rim]), uv_faces


def _spread(points: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Weights [n, h] with sum 0 that combine points [h, 3] into offsets [n, 3], as small as possible."""
    rows = np.concatenate([points - points.mean(0), np.ones((len(points), 1))], 1)
    wanted = np.concatenate([offsets, np.zeros((len(offsets), 1))], 1)
    return np.linalg.lstsq(rows.T, wanted.T, rcond=None)[0].T
