"""A scan, the head that was fitted to it, and how far apart they are, side by side."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.types import Camera
from recon.scan.file import Scan
from recon.scan.views import canvas_of, view
from render.camera import look_at
from render.heat import heat_colours

WORST_MM = 3.0  # the end of the colour scale
REACH_M = 0.145
SIDES = ((0.0, 0.0), (35.0, 0.0), (80.0, 0.0))  # yaw, pitch in degrees


def comparison(
    scan: Scan,  # metres, upright: in the head's frame
    distance: np.ndarray,  # [N] of its vertices to the fitted head, metres; NaN where they do not count
    head,  # Head, or HeadArrays
    vertices: np.ndarray,  # [V, 3] fitted, metres, in the same frame
    *,
    size: int = 360,
    sides=SIDES,
) -> np.ndarray:  # uint8 [H, W, 3]
    """Scan, fit and heat map in columns; from the front, three quarters and the side in rows."""
    from render.preview import contact_sheet, draw

    centre = np.array([0.0, -0.01, 0.0]) + np.median(vertices, axis=0) * (1.0, 0.0, 0.0)
    plain = canvas_of(scan)
    coloured = canvas_of(
        dataclasses.replace(scan, colours=heat_colours(1000 * distance, WORST_MM), uv=None, texture=None)
    )
    pictures, labels = [], []
    for yaw, pitch in sides:
        camera = _camera(centre, yaw, pitch, size)
        axes = np.diag([1.0, -1.0, -1.0]) @ camera.world_to_camera[:3, :3]
        pictures += [
            _half(view(plain, axes, centre, REACH_M, 2 * size).image),
            draw(head, vertices, camera),
            _half(view(coloured, axes, centre, REACH_M, 2 * size).image),
        ]
        labels += ["scan", "fit", f"distance: pale 0, dark red {WORST_MM:g} mm"]
    return contact_sheet(pictures, 3, labels)


def _camera(centre: np.ndarray, yaw_deg: float, pitch_deg: float, size: int) -> Camera:
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    away = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    return Camera(
        focal=np.full(2, size / 2 / REACH_M),
        centre=np.full(2, size / 2),
        size=(size, size),
        orthographic=True,
        world_to_camera=look_at(centre + away, centre),
    )


def _half(image: np.ndarray) -> np.ndarray:
    """The picture at half its size."""
    h, w = image.shape[:2]
    return np.rint(image.reshape(h // 2, 2, w // 2, 2, 3).mean((1, 3))).astype(np.uint8)
