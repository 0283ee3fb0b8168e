"""What no photo of a face shows: the plain head in a person's skin tone and hair colour."""

from __future__ import annotations

import numpy as np

from flame_tools.types import Camera, HeadArrays
from readers.sampling import bilinear
from recon.texture.surface import unit, unlike_skin
from recon.texture.uv_map import UvMap
from render.camera import project
from render.materials import MATERIALS, linear_to_srgb, look_of, srgb_to_linear
from render.paint import HAIR, SKIN

HIGHEST_M, STEP_M, DEPTH_M = 0.06, 0.002, 0.012  # how far above the forehead hair is looked for, and how much of it
DENSE, DEPTH = 0.8, 2.0  # the share of paint from which on no skin is seen; how much darker hair lies below hair
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

    Rows of pixels are walked upwards from the top of the forehead to the first that is no skin, nor are those beyond: a
    highlight ends soon.
    """
    marks = head.landmarks["468"]
    corners = vertices[head.faces[marks.faces[list(_FOREHEAD)]]]
    start = (corners * marks.barycentrics[list(_FOREHEAD)][..., None]).sum(1)  # [n, 3]
    brow = vertices[head.faces[marks.faces[9]]].mean(0)
    up = unit(start[len(start) // 2] - brow)
    heights = np.arange(0, HIGHEST_M + DEPTH_M + 4 * STEP_M, STEP_M)
    pixels = project(start + heights[:, None, None] * up, camera)[..., :2]
    inside = ((pixels > 1) & (pixels < np.array(camera.size) - 1)).all(-1)
    rows = srgb_to_linear(bilinear(image, pixels[..., 0], pixels[..., 1]) / 255)
    rows = np.array(
        [np.median(row[kept], 0) if kept.sum() > 2 else tone for row, kept in zip(rows, inside, strict=True)]
    )
    other, depth = unlike_skin(rows, tone), int(DEPTH_M / STEP_M)
    further = np.lib.stride_tricks.sliding_window_view(other, depth + 4).mean(1)
    hair = np.flatnonzero((other[: len(further)] > 0.6) & (further > 0.6))
    if not len(hair):
        return 0.6 * tone
    first = hair[0] + 3  # the rim of hair lets skin through
    band = slice(first, first + depth)
    return np.minimum(np.median(rows[band], 0), 0.75 * tone)


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
    dense, strands = np.clip(share / DENSE, 0, 1), 1 - DEPTH * np.clip(share - DENSE, -0.05, 0.15)
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
