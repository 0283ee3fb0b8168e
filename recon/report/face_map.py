"""Mean errors of landmarks on the person's own face, as a picture, and where each landmark lies in it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.landmarks import embed
from flame_tools.posing import person
from flame_tools.types import FaceParams, Track
from recon.report.fitted import EYES
from recon.report.overlay import CLAY, ERROR_LIMIT
from render.camera import portrait_camera, project
from render.heat import heat_colours, painted
from render.preview import draw_rgba

SIZE = (560, 640)
YAWS_DEG = (0.0, 45.0, -45.0)
_NEAREST = 4  # landmarks that a vertex takes its error from
_REACH_M = 0.016  # beyond which no landmark speaks for a vertex


@dataclass(frozen=True)
class FaceMap:
    """The face from one side."""

    picture: bytes  # WebP with transparency, of SIZE
    points: np.ndarray  # [468, 2] pixels; NaN where the landmark faces away
    eye_px: float  # distance between the eye joints, were they side by side


def face_maps(track: Track, head: Head, errors: np.ndarray) -> list[FaceMap]:
    """From the front, from the subject's left and right, with errors [468] of the distance between the eyes."""
    someone = person(track, head)
    with torch.no_grad():
        rest = FaceParams.neutral(head)
        vertices, eyes = someone.vertices(rest).double(), someone.skeleton(rest)[0][list(EYES)].double().numpy()
        posed = embed(vertices, head.landmark_corners_468, head.landmark_barycentrics_468.double())
    points, vertices = posed.numpy(), vertices.numpy()
    colours = _colours(vertices, points, errors, head)
    normals = _normals(vertices, head)
    regions = [head.arrays.regions[name] for name in ("face", "ears") if name in head.arrays.regions]
    subject = vertices[np.concatenate(regions)] if regions else points
    maps = []
    for yaw in YAWS_DEG:
        camera = portrait_camera(SIZE, subject, yaw_deg=yaw, fill=0.84)
        drawn = draw_rgba(painted(head, colours), vertices, camera, threads=None)
        place = project(points, camera)[:, :2]
        eye = -np.asarray(camera.world_to_camera)[:3, :3].T @ np.asarray(camera.world_to_camera)[:3, 3]
        away = (normals * (eye - points)).sum(1) < 0
        depth = float(project(eyes, camera)[:, 2].mean())
        eye_px = float(np.linalg.norm(eyes[0] - eyes[1]) * camera.focal[0] / depth)
        maps.append(FaceMap(webp(drawn, 86), np.where(away[:, None], np.nan, place), eye_px))
    return maps


def _colours(vertices: np.ndarray, points: np.ndarray, errors: np.ndarray, head: Head) -> np.ndarray:
    """[V, 3]: heat near landmarks, clay elsewhere."""
    from scipy.spatial import cKDTree

    known = np.isfinite(errors)
    colours = np.tile(np.array(CLAY, np.float64) * 0.55, (len(vertices), 1))
    if not known.any():
        return colours.astype(np.uint8)
    away, near = cKDTree(points[known]).query(vertices, k=min(_NEAREST, int(known.sum())))
    away, near = away.reshape(len(vertices), -1), near.reshape(len(vertices), -1)
    weights = 1 / (away + 1e-4) ** 2
    values = (weights * errors[known][near]).sum(1) / weights.sum(1)
    share = np.clip(2 - 2 * away[:, 0] / _REACH_M, 0, 1)
    inside = [name for name in ("left_eyeball", "right_eyeball", "mouth", "teeth", "gums", "tongue")
              if name in head.arrays.regions]  # fmt: skip
    for name in inside:
        share[head.arrays.regions[name]] = 0
    heat = heat_colours(values, ERROR_LIMIT)
    return np.rint(colours + share[:, None] * (heat - colours)).astype(np.uint8)


def _normals(vertices: np.ndarray, head: Head) -> np.ndarray:
    """[468, 3] of the triangles that the landmarks lie on."""
    a, b, c = vertices[head.arrays.faces[head.arrays.landmarks["468"].faces]].transpose(1, 0, 2)
    return np.cross(b - a, c - a)


def webp(image: np.ndarray, quality: int) -> bytes:
    """uint8 [H, W, 3 or 4] as WebP, which every browser of today shows."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()
