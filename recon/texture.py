"""A photo on the head: projected, evened out, completed across the face, faded to skin where nothing was seen."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.types import Camera, HeadArrays
from readers.sampling import bilinear, reduce
from recon.fill import push_pull
from recon.light import fit_light, gain
from recon.priors import BROWS, LIPS, OVAL
from recon.uv_map import UvMap, uv_map
from render.camera import FAR_M, NEAR_M, project, to_clip
from render.materials import MATERIALS, linear_to_srgb, srgb_to_linear

SIZE = 1024  # texels
FADE_M = 0.018  # metres over which the photo gives way to plain skin beyond the face's outline
DEPTH_SLACK_M = 0.003  # a texel this much behind the nearest surface still counts as seen
_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)


def make_albedo(
    image: np.ndarray,  # [H, W, 3] uint8
    head: HeadArrays,
    vertices: np.ndarray,  # [V, 3] posed, world, metres
    camera: Camera,
    *,
    size: int = SIZE,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Albedo [size, size, 3] uint8, light [9, 3] and the share of the frontal face that the photo shows."""
    atlas = uv_map(head, size)
    points, normals = atlas.spread(vertices), _unit(atlas.spread(_normals(vertices, head.faces)))
    pixels = project(points, camera)
    seen = _visible(pixels, vertices, head.faces, camera)
    view = _unit(_camera_place(camera) - points)
    seen *= _smooth_step((normals * view).sum(1), 0.12, 0.5)

    colours = _look_up(image, pixels, head, vertices, camera)
    area = _face_area(head, atlas)
    tone_area = area * seen * _plain_skin(head, atlas)
    tone = _tone(colours, tone_area)
    seen *= _skin_like(colours, tone, head, atlas)
    light = fit_light(normals, colours, tone_area)
    even = np.clip(colours * gain(normals, light).astype(np.float32), 0, 1)
    tone = _tone(even, tone_area)

    # what is hidden here may be seen across the face
    theirs = atlas.across(np.concatenate([even, seen[:, None]], 1))
    borrowed = theirs[:, 3] * (1 - seen)
    known = seen + borrowed
    mixed = (even * seen[:, None] + theirs[:, :3] * borrowed[:, None]) / np.maximum(known, 1e-6)[:, None]
    weight = atlas.image((known * area).astype(np.float32))
    filled = push_pull(atlas.image(mixed.astype(np.float32)), np.where(weight < 0.02, 0, weight))
    face = filled.reshape(-1, 3)[atlas.texels]
    fade = np.clip(area, 0, 1)[:, None]
    albedo = _plain_atlas(head, size, tone)
    albedo.reshape(-1, 3)[atlas.texels] = face * fade + tone * (1 - fade)
    coverage = float((seen * (area > 0.5)).sum() / max((area > 0.5).sum(), 1))
    return np.rint(linear_to_srgb(albedo) * 255).astype(np.uint8), light, coverage


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals [V, 3], not of unit length."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    flat = np.concatenate([faces[:, k] for k in range(3)])
    return np.stack([np.bincount(flat, np.tile(normal[:, k], 3), len(vertices)) for k in range(3)], 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _smooth_step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _camera_place(camera: Camera) -> np.ndarray:
    pose = np.asarray(camera.world_to_camera)
    return -pose[:3, :3].T @ pose[:3, 3]


def _visible(pixels: np.ndarray, vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """[T] 1 where a texel is the nearest surface and inside the picture, from a depth image round the head."""
    from render.raster_numba import rasterize_numba

    around = project(vertices, camera)[:, :2]
    low, high = around.min(0) - 2, around.max(0) + 2
    scale = 768 / float((high - low).max())
    width, height = np.ceil((high - low) * scale).astype(int)
    crop = dataclasses.replace(
        camera,
        focal=np.asarray(camera.focal) * scale,
        centre=(np.asarray(camera.centre) - low) * scale,
        size=(int(width), int(height)),
    )
    clip = to_clip(vertices, crop)
    _, _, depth = rasterize_numba(clip[None], np.ascontiguousarray(faces, np.int32), (height, width))
    near, far = NEAR_M, FAR_M
    metres = 2 * far * near / ((far + near) - np.minimum(depth[0], 1) * (far - near))
    place = (pixels[:, :2] - low) * scale
    column = np.clip(place[:, 0].astype(int), 0, width - 1)
    row = np.clip(place[:, 1].astype(int), 0, height - 1)
    front = pixels[:, 2] < metres[row, column] + DEPTH_SLACK_M
    inside = ((pixels[:, :2] > 1) & (pixels[:, :2] < np.array(camera.size) - 1)).all(1)
    return (front & inside).astype(np.float64)


def _look_up(image, pixels, head, vertices, camera) -> np.ndarray:
    """Linear colours [T, 3] float32 of the photo at the texels' pixels, without aliasing where the photo is finer."""
    around = project(vertices, camera)[:, :2]
    factor = max(1, int((around.max(0) - around.min(0)).max() / SIZE))
    return bilinear(reduce_linear(image, factor), pixels[:, 0] / factor, pixels[:, 1] / factor)


def reduce_linear(image: np.ndarray, factor: int) -> np.ndarray:
    """uint8 sRGB to linear float32, averaged over factor x factor blocks."""
    return reduce(_LINEAR[image], factor)


def _landmark_points(head: HeadArrays, ids) -> np.ndarray:
    """Landmarks [n, 3] of the mean head at rest."""
    marks = head.landmarks["468"]
    corners = head.v_template[head.faces[marks.faces[list(ids)]]]
    return (corners * marks.barycentrics[list(ids)][..., None]).sum(1)


def _distance(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[n] metres from each of points [n, 3] to the nearest of targets [m, 3]."""
    from scipy.spatial import cKDTree

    return cKDTree(targets).query(points)[0]


def _face_area(head: HeadArrays, atlas: UvMap) -> np.ndarray:
    """[T] 1 within the outline of the face at rest, falling to 0 over FADE_M beyond it; ears, neck and scalp are 0."""
    outline = _landmark_points(head, OVAL)[:, :2]
    rest = head.v_template
    inside = _signed_distance(rest[:, :2], outline)
    depth = _landmark_points(head, OVAL)[:, 2]
    behind = rest[:, 2] < depth.min() - 0.01
    area = _smooth_step(inside, -FADE_M, 0.002)
    area[behind] = 0
    for name in ("ears", "neck", "mouth"):
        if name in head.regions:
            area[head.regions[name]] = 0
    return atlas.spread(area)


def _signed_distance(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """[n] distance of points [n, 2] to a closed polygon [m, 2], positive inside."""
    a, b = outline, np.roll(outline, -1, axis=0)
    edge = b - a
    t = np.clip(((points[:, None] - a) * edge).sum(-1) / (edge**2).sum(-1), 0, 1)
    distance = np.linalg.norm(points[:, None] - (a + t[..., None] * edge), axis=-1).min(1)
    y, x = points[:, None, 1], points[:, None, 0]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = a[:, 0] + (y - a[:, 1]) / edge[:, 1] * edge[:, 0]
    inside = (crosses & (x < at)).sum(1) % 2 == 1
    return np.where(inside, distance, -distance)


def _plain_skin(head: HeadArrays, atlas: UvMap) -> np.ndarray:
    """[T] 1 on cheeks, nose and chin: away from lips, brows, eyes and the hairline."""
    features = np.concatenate([_landmark_points(head, LIPS), _landmark_points(head, BROWS)])
    free = _smooth_step(_distance(head.v_template, features), 0.006, 0.012)
    eyes = [head.regions[n] for n in ("left_lids", "right_lids", "eyes") if n in head.regions]
    if eyes:
        free *= _smooth_step(_distance(head.v_template, head.v_template[np.concatenate(eyes)]), 0.001, 0.008)
    brow_height = _landmark_points(head, BROWS)[:, 1].max()
    free[head.v_template[:, 1] > brow_height] *= 0.2
    return atlas.spread(free)


def _tone(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[3] the weighted median colour."""
    kept = np.flatnonzero(weights > 0.3)
    if len(kept) < 50:
        return srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
    order = np.argsort(colours[kept].mean(1), kind="stable")
    share = np.cumsum(weights[kept][order])
    middle = order[(share > 0.4 * share[-1]) & (share < 0.6 * share[-1])]
    return colours[kept][middle].mean(0)


def _skin_like(colours: np.ndarray, tone: np.ndarray, head: HeadArrays, atlas: UvMap) -> np.ndarray:
    """[T] near 0 where hair or background shows on forehead, temples and the rim; 1 elsewhere.

    Brows, eyes, lips and beards lie further in and are kept whatever their colour.
    """
    outline = _landmark_points(head, OVAL)
    brow = _landmark_points(head, BROWS)[:, 1].max()
    rim = 1 - _smooth_step(_signed_distance(head.v_template[:, :2], outline[:, :2]), 0.004, 0.014)
    forehead = _smooth_step(head.v_template[:, 1], brow + 0.002, brow + 0.01)
    judged = atlas.spread(np.maximum(rim, forehead))
    darkness = np.log((colours.mean(1) + 0.01) / (tone.mean() + 0.01))
    hue = colours / np.maximum(colours.sum(1, keepdims=True), 1e-4) - tone / tone.sum()
    unlike = np.maximum(_smooth_step(np.abs(darkness), 0.7, 1.2), _smooth_step(np.linalg.norm(hue, axis=1), 0.08, 0.16))
    return 1 - judged * unlike


def _plain_atlas(head: HeadArrays, size: int, tone: np.ndarray) -> np.ndarray:
    """[size, size, 3] linear: skin tone everywhere, and the default colours of teeth, tongue, eyes and the rest."""
    plain = np.empty((size, size, 3))
    plain[:] = tone
    for name in head.materials:
        if name in ("skin", "lips") or name not in MATERIALS:
            continue
        part = uv_map(head, size, (name,))
        plain.reshape(-1, 3)[part.texels] = srgb_to_linear(np.array(MATERIALS[name].colour) / 255)
    return plain
