"""The fast twin of the sampler in `readers.sampling`: the same numbers, ten times sooner."""

from __future__ import annotations

import numpy as np
from numba import types

from flame_tools.compiled import kernel

_BYTES = types.Array(types.uint8, 3, "A", readonly=True)  # any strides; writable arrays fit too
_FLOATS = types.Array(types.float32, 3, "A", readonly=True)
_OUT = types.float32[:, :, ::1]


@kernel(_OUT(_BYTES, types.int64))
def reduce(image, factor):
    """Average blocks of factor x factor pixels [H, W, C]; a ragged rim repeats its last row and column."""
    height, width, channels = image.shape
    rows, columns = (height + factor - 1) // factor, (width + factor - 1) // factor
    out = np.empty((rows, columns, channels), np.float32)
    area = np.float32(factor * factor)
    for row in range(rows):
        for column in range(columns):
            for c in range(channels):
                total = np.float32(0)  # whole numbers: exact in any order below 2 ** 24
                for i in range(row * factor, row * factor + factor):
                    y = min(i, height - 1)
                    for j in range(column * factor, column * factor + factor):
                        total += np.float32(image[y, min(j, width - 1), c])
                out[row, column, c] = total / area
    return out


def _sample(image, x, y, size, cosine, sine, resolution, black):
    """The centres of a turned square's pixels, each from its four neighbours -> float32 [resolution, resolution, C]."""
    height, width, channels = image.shape
    out = np.empty((resolution, resolution, channels), np.float32)
    zero, half, one, most = np.float32(0), np.float32(0.5), np.float32(1), np.float32(255)
    for i in range(resolution):
        down = ((i + 0.5) / resolution - 0.5) * size
        for j in range(resolution):
            along = ((j + 0.5) / resolution - 0.5) * size
            px, py = (
                np.float32(along * cosine - down * sine + x - 0.5),
                np.float32(along * sine + down * cosine + y - 0.5),
            )
            if black and not (px > -half and py > -half and px < width - half and py < height - half):
                for c in range(channels):
                    out[i, j, c] = zero
                continue
            cx, cy = min(max(px, zero), np.float32(width - 1)), min(max(py, zero), np.float32(height - 1))
            left, top = int(cx), int(cy)
            u, v = cx - np.float32(left), cy - np.float32(top)
            x0, y0 = np.uintp(left), np.uintp(top)  # no test for wrap-around
            x1, y1 = np.uintp(min(left + 1, width - 1)), np.uintp(min(top + 1, height - 1))
            for c in range(channels):
                above = np.float32(image[y0, x0, c]) * (one - u) + np.float32(image[y0, x1, c]) * u
                below = np.float32(image[y1, x0, c]) * (one - u) + np.float32(image[y1, x1, c]) * u
                out[i, j, c] = (above * (one - v) + below * v) / most
    return out


_PLACE = (types.float64,) * 5
sample_bytes = kernel(_OUT(_BYTES, *_PLACE, types.int64, types.boolean))(_sample)
sample_floats = kernel(_OUT(_FLOATS, *_PLACE, types.int64, types.boolean))(_sample)
