"""Cameras: projection to pixels, clip matrices for the rasterizer, and portrait framing.

Camera axes are OpenCV's (x right, y down, z forward); pixel centres lie at +0.5; row 0 is the top. Clip space is
OpenGL's: y up, a point is in front of the near plane where z >= -w; w is a perspective camera's depth in metres.
"""

from __future__ import annotations

import dataclasses
from numbers import Integral

import numpy as np
import torch

from flame_tools.errors import ShapeError
from flame_tools.types import Camera, Track

NEAR_M = 0.01
FAR_M = 100.0
SIDES = (16, 4096)  # pixels of a picture that is drawn for a user


def is_size(size: object) -> bool:
    """Whether something is a width and a height that a picture may have."""
    sides = tuple(size) if isinstance(size, (tuple, list, np.ndarray)) else ()
    return len(sides) == 2 and all(isinstance(n, Integral) and SIDES[0] <= n <= SIDES[1] for n in sides)


def clip_matrix(
    camera: Camera,
    *,
    near: float = NEAR_M,  # metres
    far: float = FAR_M,  # metres
) -> np.ndarray:  # [..., 4, 4] float64
    """World points (homogeneous columns) to clip space, so that `ndc -> pixels` is the OpenCV projection."""
    if not 0 < near < far:
        raise ShapeError(f"near {near} and far {far} are no depth range; wanted 0 < near < far, in metres")
    width, height = camera.size
    focal = np.asarray(camera.focal, np.float64)
    centre = np.asarray(camera.centre, np.float64)
    view = np.asarray(camera.world_to_camera, np.float64)
    leading = np.broadcast_shapes(focal.shape[:-1], centre.shape[:-1], view.shape[:-2])
    matrix = np.zeros((*leading, 4, 4))
    matrix[..., 0, 0] = 2 * focal[..., 0] / width
    matrix[..., 1, 1] = -2 * focal[..., 1] / height
    column = 3 if camera.orthographic else 2
    matrix[..., 0, column] = 2 * centre[..., 0] / width - 1
    matrix[..., 1, column] = 1 - 2 * centre[..., 1] / height
    if camera.orthographic:
        matrix[..., 2, 2] = 2 / (far - near)
        matrix[..., 2, 3] = -(far + near) / (far - near)
        matrix[..., 3, 3] = 1
    else:
        matrix[..., 2, 2] = (far + near) / (far - near)
        matrix[..., 2, 3] = -2 * far * near / (far - near)
        matrix[..., 3, 2] = 1
    return matrix @ view


def to_clip(
    points,  # [..., V, 3] world, metres; Tensor or array
    camera: Camera,
    *,
    near: float = NEAR_M,
    far: float = FAR_M,
):  # [..., V, 4], same kind and dtype as points
    """World points to clip space, ready for `render.raster.rasterize`."""
    return _transform(points, clip_matrix(camera, near=near, far=far))


def project(
    points,  # [..., V, 3] (or [3]) world, metres; Tensor or array
    camera: Camera,
):  # [..., V, 3], same kind and dtype
    """World points to (x px, y px, depth m); NaN pixels behind a perspective camera. Differentiable for tensors."""
    single = points.ndim == 1
    local = _transform(points[None] if single else points, camera.world_to_camera)
    depth = local[..., 2:3]
    like = _like(local)
    focal, centre = like(np.asarray(camera.focal)[..., None, :]), like(np.asarray(camera.centre)[..., None, :])
    if camera.orthographic:
        pixels = focal * local[..., :2] + centre
    else:
        where = torch.where if isinstance(local, torch.Tensor) else np.where
        safe = where(depth > 0, depth, like(np.nan))
        pixels = focal * local[..., :2] / safe + centre
    join = torch.cat if isinstance(local, torch.Tensor) else np.concatenate
    result = join([pixels, depth], -1)
    return result[0] if single else result


def look_at(
    eye,  # [3] world, metres
    target,  # [3]
    up=(0.0, 1.0, 0.0),
) -> np.ndarray:  # [4, 4] world to OpenCV camera axes
    """The pose of a camera at `eye` that looks at `target`, with `up` upwards in the picture."""
    eye, target, up = (np.asarray(v, np.float64) for v in (eye, target, up))
    forward = target - eye
    length = np.linalg.norm(forward)
    right = np.cross(forward, up)
    if length < 1e-12 or np.linalg.norm(right) < 1e-12 * length:
        raise ShapeError(f"look_at cannot see from {eye} to {target} with up {up}: the directions coincide")
    forward = forward / length
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = -pose[:3, :3] @ eye
    return pose


def portrait_camera(
    size: tuple[int, int],  # width, height in pixels
    subject,  # vertices [..., 3] or bounds [2, 3], metres, world: what must be in the picture
    *,
    yaw_deg: float = 0.0,  # positive: the camera walks towards +x and sees the subject's left side
    pitch_deg: float = 0.0,  # positive: the camera rises and looks down
    fov_deg: float = 20.0,  # vertical; about an 85 mm portrait lens
    fill: float = 0.9,  # share of the picture that the subject may take
    target=None,  # [3] what to look at; the middle of the bounds by default
    orthographic: bool = False,
) -> Camera:
    """A camera that frames a head from any side. The distance depends on the bounds only, so views match in size."""
    points = np.asarray(subject.detach().cpu() if isinstance(subject, torch.Tensor) else subject, np.float64).reshape(
        -1, 3
    )
    if len(points) < 2 or not np.isfinite(points).all():
        raise ShapeError(f"cannot frame {len(points)} points; wanted finite vertices [..., 3] or bounds [2, 3]")
    low, high = points.min(0), points.max(0)
    middle = (low + high) / 2 if target is None else np.asarray(target, np.float64)
    half = np.maximum(high - middle, middle - low)
    width, height = size
    tall = np.hypot(half[1], 0.15 * half[2])  # nearer parts look larger: a little room for depth
    wide = np.hypot(max(half[0], half[2]), 0.15 * half[2])
    need = max(tall, wide * height / width) / fill
    distance = need / np.tan(np.radians(fov_deg) / 2) + 0.5 * half[2]
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    away = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    pixels = height / 2 / need if orthographic else height / 2 / np.tan(np.radians(fov_deg) / 2)
    return Camera(
        focal=np.array([pixels, pixels]),
        centre=np.array([width / 2, height / 2]),
        size=(int(width), int(height)),
        orthographic=orthographic,
        world_to_camera=look_at(middle + distance * away, middle),
    )


def at_frame(camera: Camera, index: int) -> Camera:
    """The camera of one frame; parts without a frame axis are shared by all."""

    def pick(value, tail):
        value = np.asarray(value)
        return value[index] if value.ndim > tail else value

    return Camera(
        pick(camera.focal, 1), pick(camera.centre, 1), camera.size, camera.orthographic, pick(camera.world_to_camera, 2)
    )


def camera_of(track: Track, frame: int) -> Camera:
    """The camera of one of a track's frames, with the size of its own picture.

    A track of several photos is made by one camera for all, whose `size` is that of the photo which the texture is
    from; what each photo's was stands in `provenance["pictures"]`.
    """
    camera, pictures = at_frame(track.camera, frame), track.provenance.get("pictures", ())
    if len(pictures) != len(track) or "size" not in pictures[frame]:
        return camera
    return dataclasses.replace(camera, size=tuple(pictures[frame]["size"]))


def cut(
    camera: Camera,
    box: tuple[float, float, float, float],  # left, top, width, height in pixels of the camera's picture
    size: tuple[int, int],  # width, height of the cut's own picture, pixels
) -> Camera:
    """The camera whose picture is a part of this one's, scaled."""
    left, top, width, height = box
    if not (width > 0 and height > 0 and min(size) >= 1):
        raise ShapeError(f"cannot cut {width} x {height} pixels to {size[0]} x {size[1]}; wanted positive sizes")
    scale = np.array([size[0] / width, size[1] / height])
    return Camera(
        np.asarray(camera.focal) * scale,
        (np.asarray(camera.centre) - [left, top]) * scale,
        (int(size[0]), int(size[1])),
        camera.orthographic,
        camera.world_to_camera,
    )


def _like(points):
    if isinstance(points, torch.Tensor):
        return lambda value: torch.as_tensor(value, dtype=points.dtype, device=points.device)
    return lambda value: np.asarray(value, points.dtype)


def _transform(points, matrix):
    """`matrix @ [points, 1]`: [..., V, 4], in the points' kind and dtype."""
    if points.ndim < 2 or points.shape[-1] != 3:
        raise ShapeError(f"points are {list(points.shape)}, wanted [..., V, 3]")
    if not isinstance(points, torch.Tensor):
        points = np.asarray(points)
        points = points if points.dtype in (np.float32, np.float64) else points.astype(np.float64)
    matrix = _like(points)(np.asarray(matrix))
    turned = matrix.swapaxes(-1, -2)
    return points @ turned[..., :3, :] + turned[..., 3:, :]
