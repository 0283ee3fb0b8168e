"""The colour of a person's skin in a picture, and where that shows hair, a hat or the background instead."""

from __future__ import annotations

import numpy as np

from recon.texture.face_area import Face
from recon.texture.surface import smooth_step
from render.materials import MATERIALS, srgb_to_linear

SHADED = (0.35, 0.8)  # logarithm of light below that of skin: lids, and a rim of glasses or a deep shade over them
COLUMNS, ROWS, EXTENT_M = 40, 32, 0.08  # cells of the forehead: to either side of the middle, and up from the brows


def skin_tone(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[3] the colour of skin in good light: the mean of what is brighter than half of it, without the highlights."""
    kept = np.flatnonzero(weights > 0.3)
    if len(kept) < 50:
        return srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
    order = np.argsort(colours[kept].mean(1), kind="stable")
    share = np.cumsum(weights[kept][order])
    middle = order[(share > 0.55 * share[-1]) & (share < 0.75 * share[-1])]
    return colours[kept][middle].mean(0)


def skin_like(colours: np.ndarray, seen: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """[T] near 0 where hair or background shows on forehead, temples and the rim; 1 elsewhere and where not seen.

    Brows, eyes, lips and beards lie further in and are kept whatever their colour. Once a fringe or the brim of a hat
    has begun, what follows above is no skin even where its colour says so.
    """
    from recon.texture.texels_numba import above_hair, add_to_columns, unlike_skin

    judged = np.maximum(face.rim, face.forehead) * (seen > 0)
    unlike = np.zeros(len(judged), np.float32)
    unlike_skin(colours, judged, np.asarray(tone, np.float64), unlike)
    share, count = np.zeros((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS))
    add_to_columns(face.rest, face.brow, EXTENT_M, seen, unlike * face.forehead, share, count)
    begun = np.maximum.accumulate(share / np.maximum(count, 1), axis=0)
    fringe = np.zeros_like(unlike)
    above_hair(face.rest, face.brow, EXTENT_M, begun, fringe)
    return 1 - np.maximum(judged * unlike, fringe)


def lids_clear(colours: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """[T] float32: 0 on lids where something much darker than skin of this tone [3] is seen, 1 elsewhere.

    Rims of glasses, deep shade and lashes would be stretched over the eye when it shuts.
    """
    clear = np.ones(len(face.lids), np.float32)
    lids = np.flatnonzero(face.lids > 0)
    darker = np.log((tone.mean() + 0.01) / (colours[lids].mean(1) + 0.01))
    clear[lids] -= face.lids[lids] * smooth_step(darker, *SHADED)
    return clear
