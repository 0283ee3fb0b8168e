"""Pictures of a Track: its frames as a film, and a fitted face beside its photo."""

from __future__ import annotations

import numpy as np

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import at_frames, posed_frames
from flame_tools.types import Camera, Track
from render.camera import camera_of
from render.film import film, slopes_worn
from render.preview import draw, draw_rgba, overlay, side_by_side

__all__ = ["comparison", "film"]


def comparison(
    photo: np.ndarray,  # [H, W, 3] uint8 sRGB, as the track's camera saw it
    track: Track,
    head: Head,
    *,
    frame: int = 0,
    height: int = 640,
) -> np.ndarray:  # uint8 [height, about 3 height, 3]
    """The photo, the fitted head through the same camera, and the head laid over the photo, cut to the head."""
    if track.camera is None:
        raise InputError("the track has no camera to compare it with a photo; reconstruct it from one")
    camera = camera_of(track, frame)
    if (photo.shape[1], photo.shape[0]) != tuple(camera.size):
        raise InputError(
            f"the photo is {photo.shape[1]}x{photo.shape[0]}, the track's camera {camera.size[0]}x{camera.size[1]}; "
            "give the photo it was made from"
        )
    (vertices,) = posed_frames(at_frames(track, [frame]), head)
    camera, patch = _cut_to(photo, camera, vertices, height)
    albedo = None if track.appearance is None else track.appearance.albedo
    look = {"albedo": albedo, "slopes": slopes_worn(track, head), "threads": None}
    worn, laid = draw(head, vertices, camera, **look), draw_rgba(head, vertices, camera, **look)
    return side_by_side([patch, worn, overlay(patch, laid, 0.6)])


def _cut_to(photo: np.ndarray, camera: Camera, vertices: np.ndarray, height: int) -> tuple[Camera, np.ndarray]:
    """Camera and picture of a square around the head, scaled to `height`; the photo's border goes on outside it."""
    from PIL import Image

    from render.camera import project

    seen = project(vertices, camera)[:, :2]
    low, high = np.nanmin(seen, 0), np.nanmax(seen, 0)
    side = int(np.ceil(1.15 * (high - low).max()))
    corner = np.floor((low + high) / 2 - side / 2).astype(int)
    rows = np.clip(np.arange(corner[1], corner[1] + side), 0, photo.shape[0] - 1)
    columns = np.clip(np.arange(corner[0], corner[0] + side), 0, photo.shape[1] - 1)
    patch = Image.fromarray(photo[rows][:, columns]).resize((height, height), Image.Resampling.LANCZOS)
    scale = height / side
    moved = Camera(
        focal=np.asarray(camera.focal) * scale,
        centre=(np.asarray(camera.centre) - corner) * scale,
        size=(height, height),
        orthographic=camera.orthographic,
        world_to_camera=camera.world_to_camera,
    )
    return moved, np.asarray(patch)
