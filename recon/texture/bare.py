"""What no photo of a face shows: the plain head in a person's skin tone and hair colour."""

from __future__ import annotations

import numpy as np

from flame_tools.types import Camera, HeadArrays
from readers.sampling import bilinear
from recon.texture.surface import unit, unlike_skin
from recon.texture.uv_map import UvMap
from render.camera import project
from render.kept_looks import look_of
from render.materials import MATERIALS, linear_to_srgb, srgb_to_linear
from render.paint import HAIR, SKIN

HIGHEST_M, STEP_M, DEPTH_M = 0.06, 0.002, 0.012  # how far above the forehead hair is looked for, and how much of it
SKULL = 0.95  # of the skull above the forehead: up to there nothing can be background
USUAL_SKULL_M = 0.04  # where a head does not say what its scalp is
VOLUME_M, ASIDE_M = 0.015, 0.13  # how far beyond hair may begin, if it is unlike what is seen so far to either side
BRIGHTER, SAME_HUE = (-0.25, 0.9), 0.12  # a forehead against cheeks: the logarithm of its light, and its hue
BALD = 0.75  # of the skin's tone: a shaved scalp
DENSE, DEPTH = 0.8, 1.0  # the share of paint from which on no skin is seen; how much darker hair lies below hair
CONTRAST = 0.8  # logarithm of skin over hair from which on single strands are seen
_FOREHEAD = (67, 109, 10, 338, 297)  # MediaPipe's, across the top
_SKIN, _HAIR = np.array(SKIN) / 255, np.array(HAIR) / 255


def hair_colour(
    image: np.ndarray,  # [H, W, 3] uint8
    head: HeadArrays,
    vertices: np.ndarray,  # [V, 3] posed, world
    camera: Camera,
    tone: np.ndarray,  # [3] linear skin colour
) -> np.ndarray:
    """[3] linear: the colour of what grows, or sits, above the forehead; darkened skin where that is bare.

    Rows of pixels are walked upwards from the top of the forehead, as far as the skull is before the background, to the
    first that is neither skin as on the cheeks nor as on the forehead, nor are those beyond: a highlight ends soon.
    """
    marks = head.landmarks["468"]
    corners = vertices[head.faces[marks.faces[list(_FOREHEAD)]]]
    start = (corners * marks.barycentrics[list(_FOREHEAD)][..., None]).sum(1)  # [n, 3]
    top, brow = start[len(start) // 2], vertices[head.faces[marks.faces[9]]].mean(0)
    up, side = unit(top - brow), ASIDE_M * unit(start[-1] - start[0])
    scalp = vertices[np.asarray(head.regions.get("scalp", ()), np.int64)]
    skull = SKULL * _before_background(scalp, start, up, camera) if len(scalp) else USUAL_SKULL_M
    heights = np.arange(0, min(HIGHEST_M, skull + VOLUME_M) + DEPTH_M + 4 * STEP_M, STEP_M)[:, None, None]
    rows = _rows(image, start + heights * up, camera)
    beside = [_rows(image, (top + sign * side)[None] + heights * up, camera) for sign in (-1, 1)]
    forehead = _rows(image, start - np.linspace(0.1, 0.7, 7)[:, None, None] * (top - brow), camera)
    other, depth = _no_skin(rows, forehead, tone), int(DEPTH_M / STEP_M)
    for first in np.flatnonzero(other[: int((skull + VOLUME_M) / STEP_M)] > 0.6):
        further = other[first : first + depth + 4]
        if len(further) < 5 or further.mean() < 0.6:
            continue
        hair = np.median(rows[first + 3 :][:depth], 0)  # its rim lets skin through
        around = [np.median(colours[first:][:depth], 0) for colours in beside if len(colours) > first]
        if first * STEP_M < skull or all(unlike_skin(hair[None], colour)[0] > 0.6 for colour in around):
            return np.minimum(hair, BALD * tone)
    return BALD * tone


def _no_skin(rows: np.ndarray, forehead: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """[R] in [0, 1]: how little rows [R, 3] could be skin of this tone, or what lies between that and a forehead."""
    known = np.median(forehead, 0) if len(forehead) else tone
    brighter = np.log((known.mean() + 0.01) / (tone.mean() + 0.01))
    hue = np.linalg.norm(known / known.sum() - tone / tone.sum())
    if not BRIGHTER[0] < brighter < BRIGHTER[1] or hue > SAME_HUE:  # a fringe or a hat hangs over it
        known = tone
    between = tone * np.exp(np.linspace(0, 1, 5)[:, None] * np.log((known + 1e-4) / (tone + 1e-4)))
    return np.min([unlike_skin(rows, colour) for colour in between], 0)


def _rows(image: np.ndarray, points: np.ndarray, camera: Camera) -> np.ndarray:
    """Linear colours [R, 3] of image uint8 under rows of points, up to the first that lies beyond its border."""
    pixels = project(points, camera)[..., :2]
    inside = ((pixels > 1) & (pixels < np.array(camera.size) - 1)).all(-1)  # [R, n]
    colours = srgb_to_linear(bilinear(image, pixels[..., 0], pixels[..., 1]) / 255)
    shown = np.cumprod(inside.mean(1) >= 0.5).astype(bool)
    rows = [np.median(row[seen], 0) for row, seen in zip(colours[shown], inside[shown], strict=True)]
    return np.reshape(rows, (-1, 3))


def _before_background(scalp: np.ndarray, start: np.ndarray, up: np.ndarray, camera: Camera) -> float:
    """Metres along `up` from the middle of points `start` [n, 3] to where the scalp [S, 3] ends before the camera."""
    pixels, middle = project(scalp, camera)[:, :2], start[len(start) // 2]
    here, there = project(np.stack([middle, middle + 0.01 * up]), camera)[:, :2]
    step = (there - here) / max(float((there - here) @ (there - here)), 1e-9)
    side = np.array([-step[1], step[0]])
    wide = np.ptp(project(start, camera)[:, :2] @ side) / 2
    return 0.01 * float(((pixels - here) @ step)[np.abs((pixels - here) @ side) < wide].max(initial=0.0))


def bare_albedo(head: HeadArrays, atlas: UvMap, tone: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """[size, size, 3] linear float32: the default head's paint in another skin tone and hair colour [3], linear.

    Teeth, tongue, gums and eyes take their default colours; the gaps of the atlas take the skin's.
    """
    from PIL import Image

    table = [srgb_to_linear(np.array(MATERIALS.get(n, MATERIALS["other"]).colour) / 255) for n in head.materials]
    plain = np.array([*table, tone], np.float32)[atlas.material]
    painted = look_of(head).skin_texture
    if painted is not None:
        if len(painted) != atlas.size:
            painted = np.asarray(Image.fromarray(painted).resize((atlas.size, atlas.size), Image.Resampling.BILINEAR))
        paint = painted.reshape(-1, 3)[atlas.texels]
        scalp = np.zeros(len(head.v_template))
        scalp[np.asarray(head.regions.get("scalp", ()), np.int64)] = 1
        near = atlas.spread(_spread(scalp, head.faces)) > 0.05
        of_skin, of_scalp = _tables(tone, hair)
        colours = of_skin[paint, np.arange(3)]
        colours[near] = of_scalp[paint[near, 0]]
        plain.reshape(-1, 3)[atlas.texels] = colours
    return plain


def _tables(tone: np.ndarray, hair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[256, 3] linear float32 for each byte of paint: channels of skin; and for bytes of red, bare scalp to hair."""
    paint = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    share = np.clip((_SKIN[0] - paint) / (_SKIN[0] - _HAIR[0]), 0, 1)
    apart = np.clip(np.log(tone.mean() / max(hair.mean(), 1e-4)) / CONTRAST, 0, 1)
    dense, strands = np.clip(share / DENSE, 0, 1), 1 - DEPTH * apart * np.clip(share - DENSE, -0.05, 0.15)
    skin = linear_to_srgb(tone)
    mixed = np.stack([skin * (paint / _SKIN), skin * (1 - dense) + linear_to_srgb(hair) * strands * dense])
    return tuple(srgb_to_linear(np.clip(mixed, 0, 1)).astype(np.float32))


def _spread(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertex values [V], each raised to its neighbours' largest, three times."""
    for _ in range(3):
        most = values[faces].max(1)
        values = values.copy()
        for k in range(3):
            np.maximum.at(values, faces[:, k], most)
    return values
