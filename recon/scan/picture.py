"""A scan, the head that was fitted to it, and how far apart they are, side by side."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.types import Camera
from recon.scan.file import Scan
from recon.scan.views import canvas_of, view
from render.camera import look_at

WORST_M = 0.003  # the end of the colour scale
RAMP = np.array([(38, 70, 160), (70, 170, 190), (240, 230, 140), (225, 120, 60), (150, 20, 40)])  # sRGB, 0 to WORST_M
REACH_M = 0.145
SIDES = ((0.0, 0.0), (35.0, 0.0), (80.0, 0.0))  # yaw, pitch in degrees


def heat(distance: np.ndarray, worst: float = WORST_M) -> np.ndarray:
    """Distances [n] in metres -> uint8 [n, 3]: blue where near, red at `worst` and beyond, grey where NaN."""
    place = np.clip(np.nan_to_num(distance) / worst, 0, 1) * (len(RAMP) - 1)
    colours = np.stack([np.interp(place, np.arange(len(RAMP)), RAMP[:, k]) for k in range(3)], 1)
    return np.where(np.isnan(distance)[:, None], 150, np.rint(colours)).astype(np.uint8)


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
    coloured = canvas_of(dataclasses.replace(scan, colours=heat(distance), uv=None, texture=None))
    pictures, labels = [], []
    for yaw, pitch in sides:
        camera = _camera(centre, yaw, pitch, size)
        axes = np.diag([1.0, -1.0, -1.0]) @ camera.world_to_camera[:3, :3]
        pictures += [
            _half(view(plain, axes, centre, REACH_M, 2 * size, close=False).image),
            draw(head, vertices, camera),
            _half(view(coloured, axes, centre, REACH_M, 2 * size, close=False).image),
        ]
        labels += ["scan", "fit", f"distance: blue 0, red {1000 * WORST_M:g} mm"]
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
