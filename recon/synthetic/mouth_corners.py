"""The line between the lips, drawn on from where the mouth opens to its corner and past it, darkly or not.

Shut lips are creased farther than they open, and how far differs: on the default head the line ends a few mm before the
corner, in photos it seldom does. A reader that saw no others takes the line's end for the opening's.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np

from flame_tools.types import HeadArrays
from render.look import Look
from render.materials import linear_to_srgb, srgb_to_linear

CORNERS = ((78, 61), (308, 291))  # of the 468: where the mouth opens, and its corner
PAST = (0.6, 1.8)  # how far the line goes, as a share of the way from the one to the other
DARK = (0.0, 0.9)  # how much of the light it takes
WIDTH_M = (0.0003, 0.0009)


def creased(look: Look, head: HeadArrays, rng: np.random.Generator) -> Look:
    """The look with such a line at both corners; needs a head with UV and the 468 landmarks."""
    marks = head.landmarks["468"]
    places = np.einsum("lk,lkc->lc", marks.barycentrics, look.uv[look.uv_faces[marks.faces]])
    past, dark, width = rng.uniform(*PAST), rng.uniform(*DARK), rng.uniform(*WIDTH_M) * look.uv_per_metre
    lines = [(places[opens], places[opens] + past * (places[ends] - places[opens])) for opens, ends in CORNERS]
    return dataclasses.replace(look, paint=partial(_painted, look.paint, lines, dark, width))


def _painted(paint, lines: list[tuple[np.ndarray, np.ndarray]], dark: float, width: float) -> np.ndarray:
    """[h, w, 3] uint8 sRGB of `paint`, darkened along lines in UV; they fade towards their ends."""
    texture = paint().copy()
    size = np.array(texture.shape[1::-1])
    for start, end in lines:
        low = np.clip((np.minimum(start, end) - 4 * width) * size, 0, size).astype(int)
        high = np.clip((np.maximum(start, end) + 4 * width) * size + 1, 0, size).astype(int)
        at = (np.stack(np.meshgrid(*map(np.arange, low, high)), -1) + 0.5) / size
        along = end - start
        share = np.clip((at - start) @ along / (along @ along), 0, 1)
        away = np.linalg.norm(at - start - share[..., None] * along, axis=-1)
        light = 1 - dark * (1 - share**4) * np.exp(-0.5 * (away / width) ** 2)
        rows = slice(size[1] - high[1], size[1] - low[1])  # row 0 is at v = 1
        patch = texture[rows, low[0] : high[0]]
        patch[:] = np.rint(linear_to_srgb(srgb_to_linear(patch / 255) * light[::-1, :, None]) * 255)
    return texture
