"""Pictures of a Track: its frames as a film, and a fitted face beside its photo."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import person, posed_frames
from flame_tools.types import Camera, Track
from render.camera import at_frame, portrait_camera
from render.preview import draw, draw_rgba, overlay, side_by_side


def frame_rate(track: Track) -> Fraction:
    """Frames per second of a track with a constant rate; the mean rate of any other, 30 for a single frame."""
    if track.fps is not None:
        return Fraction(*track.fps)
    if len(track) < 2:
        return Fraction(30)
    return Fraction((len(track) - 1) / float(track.time_s[-1] - track.time_s[0])).limit_denominator(1001)


def film_camera(track: Track, head: Head, size: tuple[int, int]) -> Camera:
    """A camera that frames the person at rest, with room for the head to move."""
    rest = person(track, head).v_template.numpy()
    chosen = [head.arrays.regions[name] for name in ("face", "scalp", "ears") if name in head.arrays.regions]
    subject = rest[np.unique(np.concatenate(chosen))] if chosen else rest
    middle = track.params.translation.mean(0).numpy() if len(track) > 1 else track.params.translation[0].numpy()
    return portrait_camera(size, subject + middle, yaw_deg=8.0, fill=0.82)


def film(track: Track, head: Head, *, size: tuple[int, int] = (720, 720), threads: int | None = None) -> Iterator:
    """Draw every frame: yields uint8 [H, W, 3] at the track's own times."""
    camera = film_camera(track, head, size)
    albedo = None if track.appearance is None else track.appearance.albedo
    for vertices in posed_frames(track, head):
        yield draw(head, vertices, camera, albedo=albedo, threads=threads)


def turntable(
    head,  # as `draw` takes it
    vertices,  # [V, 3] metres
    *,
    size: tuple[int, int] = (512, 512),
    frames: int = 96,  # of one turn
    pitch_deg: float = 0.0,
    threads: int | None = None,
    **options,  # of draw: albedo, background, supersample, wireframe, skin
) -> Iterator:
    """Walk once round a head, from its face to its left: yields uint8 [H, W, 3]; the last meets the first."""
    points = vertices.detach().cpu().numpy() if hasattr(vertices, "detach") else np.asarray(vertices)
    for k in range(frames):
        camera = portrait_camera(size, points, yaw_deg=360.0 * k / frames, pitch_deg=pitch_deg)
        yield draw(head, points, camera, threads=threads, **options)


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
    camera = at_frame(track.camera, frame)
    if (photo.shape[1], photo.shape[0]) != tuple(camera.size):
        raise InputError(
            f"the photo is {photo.shape[1]}x{photo.shape[0]}, the track's camera {camera.size[0]}x{camera.size[1]}; "
            "give the photo it was made from"
        )
    (vertices,) = posed_frames(_one_frame(track, frame), head)
    camera, patch = _cut_to(photo, camera, vertices, height)
    albedo = None if track.appearance is None else track.appearance.albedo
    clay = draw_rgba(head, vertices, camera, threads=None)
    worn = draw(head, vertices, camera, albedo=albedo, threads=None)
    return side_by_side([patch, worn, overlay(patch, clay, 0.6)])


def _one_frame(track: Track, frame: int) -> Track:
    return track.replace(
        params=track.params.frame(slice(frame, frame + 1)).replace(shape=track.params.shape),
        time_s=track.time_s[frame : frame + 1],
        std=None, visibility=None, curves={}, fps=None,
    )  # fmt: skip


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
