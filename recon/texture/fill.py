"""Fill what is unknown in an image from what is known around it."""

from __future__ import annotations

import numpy as np


def push_pull(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """values [N, N, C], weights [N, N] in [0, 1], N a power of two -> values without holes, float32: at all scales.

    Pushing averages down to one pixel; pulling lets each coarser level shine through where the finer one knows
    little (Gortler et al. 1996).
    """
    colour, weight = values.astype(np.float32) * weights[..., None].astype(np.float32), weights.astype(np.float32)
    levels = [(colour, weight)]
    while len(weight) > 1:
        colour, weight = _halve(colour), _halve(weight)
        much = np.maximum(weight, 1)  # a cell never weighs more than a known pixel
        colour, weight = colour / much[..., None], weight / much
        levels.append((colour, weight))
    colour, weight = levels[-1]
    filled = colour / np.maximum(weight, 1e-9)[..., None]
    for colour, weight in reversed(levels[:-1]):
        filled = _double(filled)
        filled *= (1 - weight)[..., None]
        filled += colour
    return filled


def past_borders(texture: np.ndarray, inside: np.ndarray, texels: int = 12) -> np.ndarray:
    """texture uint8 [h, w, 3] with the colours of `inside` [h, w] carried outwards by some texels; a copy.

    Whoever samples between texels, or smaller copies, finds the island's own colours past its border: no seam shows.
    """
    from render.paint_numba import grow

    grown = np.require(texture, np.uint8, ["C"]).copy()
    grow(grown, inside.astype(np.uint8), texels)
    return grown


def _halve(image: np.ndarray) -> np.ndarray:
    """Sums over blocks of 2 x 2."""
    rows = image[0::2] + image[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _double(image: np.ndarray) -> np.ndarray:
    """[n, n, C] -> [2 n, 2 n, C], linear between pixel centres."""
    for axis in (0, 1):
        image = np.moveaxis(image, axis, 0)
        before, after = np.concatenate([image[:1], image[:-1]]), np.concatenate([image[1:], image[-1:]])
        wide = np.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], 1)
        image = np.moveaxis(wide.reshape(-1, *image.shape[1:]), 0, axis)
    return np.ascontiguousarray(image)
