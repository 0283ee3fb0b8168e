"""Textures at the scale at which a picture shows them."""

from __future__ import annotations

import numpy as np

from flame_tools.compiled import kernel


@kernel("void(uint8[:,:,::1], uint8[:,:,::1])")
def halve(image, out):
    """Mean of 2 x 2 texels; an odd last row or column is dropped."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                i = np.uintp(2 * y)
                j = np.uintp(2 * x)
                total = 2 + image[i, j, c] + image[i + np.uintp(1), j, c]
                total += image[i, j + np.uintp(1), c] + image[i + np.uintp(1), j + np.uintp(1), c]
                out[np.uintp(y), np.uintp(x), c] = total // 4


def at_scale(texture: np.ndarray, texels_per_pixel: float) -> np.ndarray:
    """The texture halved until a pixel of the picture spans at most about 1.4 texels."""
    texture = np.ascontiguousarray(texture)
    while texels_per_pixel > 1.4 and min(texture.shape[:2]) >= 4:
        smaller = np.empty((texture.shape[0] // 2, texture.shape[1] // 2, 3), np.uint8)
        halve(texture, smaller)
        texture, texels_per_pixel = smaller, texels_per_pixel / 2
    return texture
