"""The colour of a person's skin in a picture, and where that shows hair, a hat or the background instead."""

from __future__ import annotations

import numpy as np

from readers.sampling import bilinear
from recon.texture.face_area import Face
from recon.texture.surface import smooth_step, unlike_skin
from render.materials import MATERIALS, srgb_to_linear


def skin_tone(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[3] the colour of skin in good light: the mean of what is brighter than half of it, without the highlights."""
    kept = np.flatnonzero(weights > 0.3)
    if len(kept) < 50:
        return srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
    order = np.argsort(colours[kept].mean(1), kind="stable")
    share = np.cumsum(weights[kept][order])
    middle = order[(share > 0.55 * share[-1]) & (share < 0.75 * share[-1])]
    return colours[kept][middle].mean(0)


def skin_like(colours: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """[T] near 0 where hair or background shows on forehead, temples and the rim; 1 elsewhere.

    Brows, eyes, lips and beards lie further in and are kept whatever their colour.
    """
    judged = np.maximum(face.rim, face.forehead)
    some = np.flatnonzero(judged > 0)
    unlike = np.zeros(len(judged), np.float32)
    unlike[some] = unlike_skin(colours[some], tone)
    fringe = _upwards(unlike * face.forehead, face.rest, face.brow)
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
