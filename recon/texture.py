"""A photo on the head: projected, evened out, completed across the face, faded to skin where nothing was seen."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.types import Camera, HeadArrays
from readers.sampling import bilinear, reduce
from recon.bare import bare_albedo, hair_colour
from recon.fill import push_pull
from recon.light import fit_light, gain, white_balance
from recon.priors import BROWS, LIPS, OVAL
from recon.surface import camera_place, smooth_step, unit, unlike_skin, vertex_normals
from recon.uv_map import UvMap, uv_map
from render.camera import FAR_M, NEAR_M, project, to_clip
from render.materials import MATERIALS, linear_to_srgb, srgb_to_linear

SIZE = 1024  # texels
FADE_M = (0.02, 0.003)  # metres inside and beyond the face's outline between which the photo gives way to plain skin
COARSE = 32  # cells along the atlas over which light is levelled
LEVEL = 0.75  # how far it is levelled: 0 leaves the photo's light, 1 takes all slow changes out
HIGHLIGHT = 0.5  # linear light that a well exposed picture reaches somewhere
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
    image = exposed(image)
    atlas = uv_map(head, size)
    area = atlas.spread(_face_area(head))
    atlas, area = atlas.part(area > 0), area[area > 0]
    points, normals = atlas.spread(vertices), unit(atlas.spread(vertex_normals(vertices, head.faces)))
    pixels = project(points, camera)
    seen = _visible(pixels, vertices, head.faces, camera)
    view = unit(camera_place(camera).astype(np.float32) - points)
    seen *= smooth_step((normals * view).sum(1), 0.2, 0.6)

    colours = _look_up(image, pixels, head, vertices, camera)
    plain = atlas.spread(_plain_skin(head))
    skin = area * seen * plain
    some = slice(None, None, 5)  # enough for nine numbers
    light = fit_light(normals[some], colours[some], skin[some])
    even = np.clip(colours * gain(normals, light), 0, 1)
    tone = _tone(even, skin)
    balance = white_balance(tone)
    even, tone = np.clip(even * balance, 0, 1), tone * balance
    seen *= _skin_like(even, tone, head, atlas) * atlas.spread(_off_lip_edges(head))
    coverage = float((seen * (area > 0.5)).sum() / max((area > 0.5).sum(), 1))

    # what is hidden here may be seen across the face
    theirs = atlas.across(np.concatenate([even, seen[:, None]], 1))
    borrowed = theirs[:, 3] * (1 - seen)
    known = seen + borrowed
    mixed = (even * seen[:, None] + theirs[:, :3] * borrowed[:, None]) / np.maximum(known, 1e-6)[:, None]
    # beyond the face plain skin is as good as known, so that what fills the gaps fades into it
    photo, beyond = known * area, 0.5 * (1 - area)
    weight = photo + beyond
    mixed = (mixed * photo[:, None] + tone * beyond[:, None]) / np.maximum(weight, 1e-6)[:, None]
    mixed *= _levelled(mixed, weight * plain, tone, atlas)
    face = push_pull(atlas.image(mixed), atlas.image(np.where(weight < 0.05, 0, weight))).reshape(-1, 3)[atlas.texels]
    hair = hair_colour(image, head, vertices, camera, tone / balance) * balance
    albedo = bare_albedo(head, uv_map(head, size), tone, hair)
    around = albedo.reshape(-1, 3)[atlas.texels]
    albedo.reshape(-1, 3)[atlas.texels] = face * area[:, None] + around * (1 - area[:, None])
    return _encode(albedo), light, coverage


def exposed(image: np.ndarray) -> np.ndarray:
    """An underexposed picture, whose brightest hundredth is no highlight, brightened by up to two stops."""
    step = max(1, min(image.shape[:2]) // 200)
    brightest = np.percentile(_LINEAR[image[::step, ::step]].max(-1), 99)
    gain_needed = float(np.clip(HIGHLIGHT / max(brightest, 1e-3), 1, 4))
    if gain_needed < 1.1:
        return image
    return _encode(_LINEAR * gain_needed)[image]


def _encode(linear: np.ndarray) -> np.ndarray:
    """Linear [...] in [0, 1] -> sRGB uint8, by a table fine enough for every step of 8 bits."""
    table = np.rint(linear_to_srgb(np.arange(16384) / 16383) * 255).astype(np.uint8)
    return table[np.rint(np.clip(linear, 0, 1) * 16383).astype(np.int32)]


def _levelled(colours: np.ndarray, weights: np.ndarray, tone: np.ndarray, atlas: UvMap) -> np.ndarray:
    """[T, 3] gains that pull what varies slowly over the skin towards its tone: light that harmonics cannot hold."""
    blocks = atlas.size // COARSE
    weight = atlas.image(weights.astype(np.float32)).reshape(COARSE, blocks, COARSE, blocks).mean((1, 3))
    image = atlas.image(colours * weights[:, None]).reshape(COARSE, blocks, COARSE, blocks, 3).mean((1, 3))
    coarse = push_pull(image / np.maximum(weight, 1e-6)[..., None], np.where(weight < 0.1, 0, weight))
    for _ in range(2):
        coarse = push_pull(coarse, np.full(coarse.shape[:2], 0.3, np.float32))  # a soft blur
    ratio = np.clip(tone / np.maximum(coarse, 1e-3), 0.5, 2.0).astype(np.float32) ** np.float32(LEVEL)
    row, column = np.divmod(atlas.texels, atlas.size)
    return bilinear(ratio, (column + 0.5) / blocks, (row + 0.5) / blocks)


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
    low, high = pixels[:, :2].min(0) - 2 * factor, pixels[:, :2].max(0) + 2 * factor
    size = np.array(camera.size)
    left, top = np.clip(low, 0, size - 1).astype(int)
    right, bottom = np.clip(np.ceil(high), (left + 1, top + 1), size).astype(int)
    part = reduce(_LINEAR[image[top:bottom, left:right]], factor)
    return bilinear(part, (pixels[:, 0] - left) / factor, (pixels[:, 1] - top) / factor)


def _landmark_points(head: HeadArrays, ids) -> np.ndarray:
    """Landmarks [n, 3] of the mean head at rest."""
    marks = head.landmarks["468"]
    corners = head.v_template[head.faces[marks.faces[list(ids)]]]
    return (corners * marks.barycentrics[list(ids)][..., None]).sum(1)


def _distance(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[n] metres from each of points [n, 3] to the nearest of targets [m, 3]."""
    squared = (points**2).sum(1)[:, None] + (targets**2).sum(1) - 2 * points @ targets.T
    return np.sqrt(np.maximum(squared.min(1), 0))


def _face_area(head: HeadArrays) -> np.ndarray:
    """[V] 1 within the outline of the face at rest, falling to 0 across it; ears, neck and scalp are 0."""
    outline = _landmark_points(head, OVAL)[:, :2]
    rest = head.v_template
    inside = _signed_distance(rest[:, :2], outline)
    depth = _landmark_points(head, OVAL)[:, 2]
    behind = rest[:, 2] < depth.min() - 0.01
    area = smooth_step(inside, -FADE_M[1], FADE_M[0])
    area[behind] = 0
    for name in ("ears", "neck", "mouth"):
        if name in head.regions:
            area[head.regions[name]] = 0
    return area


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


def _plain_skin(head: HeadArrays) -> np.ndarray:
    """[V] 1 on cheeks, nose and chin: away from lips, brows, eyes and the hairline."""
    features = np.concatenate([_landmark_points(head, LIPS), _landmark_points(head, BROWS)])
    free = smooth_step(_distance(head.v_template, features), 0.006, 0.012)
    eyes = [head.regions[n] for n in ("left_lids", "right_lids") if n in head.regions]
    if eyes:
        free *= smooth_step(_distance(head.v_template, head.v_template[np.concatenate(eyes)]), 0.001, 0.008)
    brow_height = _landmark_points(head, BROWS)[:, 1].max()
    free[head.v_template[:, 1] > brow_height] *= 0.2
    return free


def _off_lip_edges(head: HeadArrays) -> np.ndarray:
    """[V] 0 on the inner edges and in the corners of the lips, where a photo shows teeth or the dark between them."""
    edges = np.concatenate([head.v_template[head.inner_lip_pairs.ravel()], _landmark_points(head, LIPS[20:])])
    return smooth_step(_distance(head.v_template, edges), 0.0015, 0.004)


def _tone(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[3] the colour of skin in good light: the mean of what is brighter than half of it, without the highlights."""
    kept = np.flatnonzero(weights > 0.3)
    if len(kept) < 50:
        return srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
    order = np.argsort(colours[kept].mean(1), kind="stable")
    share = np.cumsum(weights[kept][order])
    middle = order[(share > 0.55 * share[-1]) & (share < 0.75 * share[-1])]
    return colours[kept][middle].mean(0)


def _skin_like(colours: np.ndarray, tone: np.ndarray, head: HeadArrays, atlas: UvMap) -> np.ndarray:
    """[T] near 0 where hair or background shows on forehead, temples and the rim; 1 elsewhere.

    Brows, eyes, lips and beards lie further in and are kept whatever their colour.
    """
    outline = _landmark_points(head, OVAL)
    brow = _landmark_points(head, BROWS)[:, 1].max()
    rim = 1 - smooth_step(_signed_distance(head.v_template[:, :2], outline[:, :2]), 0.008, 0.02)
    forehead = smooth_step(head.v_template[:, 1], brow + 0.002, brow + 0.01)
    judged = atlas.spread(np.maximum(rim, forehead))
    unlike = unlike_skin(colours, tone)
    fringe = _upwards(unlike * atlas.spread(forehead), atlas.spread(head.v_template), brow)
    return 1 - np.maximum(judged * unlike, fringe)


def _upwards(hair: np.ndarray, places: np.ndarray, brow: float) -> np.ndarray:
    """[T] in [0, 1]: whether hair [T] shows anywhere below a texel on its way up from the brows.

    Once a fringe or the brim of a hat has begun, what follows above is no skin even where its colour says so.
    """
    columns, rows, extent = 40, 32, 0.08  # metres to either side and upwards
    x = (places[:, 0] + extent) / (2 * extent) * columns
    y = (places[:, 1] - brow) / extent * rows
    inside = (x > 0) & (x < columns) & (y > 0) & (y < rows) & (places[:, 2] > 0)
    cell = np.clip(y.astype(int), 0, rows - 1) * columns + np.clip(x.astype(int), 0, columns - 1)
    count = np.bincount(cell[inside], minlength=rows * columns)
    total = np.bincount(cell[inside], hair[inside], rows * columns)
    share = (total / np.maximum(count, 1)).reshape(rows, columns)
    begun = np.maximum.accumulate(share, axis=0)
    soft = bilinear(begun[..., None].astype(np.float32), x, y + 2)[:, 0]  # from 4 mm below: hair has a shade
    return smooth_step(soft, 0.08, 0.3) * smooth_step(places[:, 1], brow, brow + 0.004)
