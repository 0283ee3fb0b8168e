"""Dynamic time warping within a band: the kernel of misalignment."""

from __future__ import annotations

import numpy as np

from flame_tools.compiled import kernel


@kernel("int64[:, ::1](float64[::1], float64[::1], int64)")
def warp(x, y, band):
    """The cheapest monotonous path [K, 2] through |x_i - y_j| from the first pair to the last, |i - j| <= band.

    x and y have one length. Among equals a step along both comes before one along x, and that before one along y.
    """
    n, width = len(x), 2 * band + 1
    before = np.full(width + 2, np.inf)  # column k + 1 of row i is j = i - band + k
    choice = np.zeros((n, width), np.uint8)  # 0: both, 1: x alone, 2: y alone
    for i in range(n):
        row = np.full(width + 2, np.inf)
        for k in range(width):
            j = i - band + k
            if j < 0 or j >= n:
                continue
            # One row up everything lies a column to the right.
            both, up, left = before[k + 1], before[k + 2], row[k]
            best, way = both, 0
            if up < best:
                best, way = up, 1
            if left < best:
                best, way = left, 2
            if i == 0 and j == 0:
                best = 0.0
            row[k + 1] = best + abs(x[i] - y[j])
            choice[i, k] = way
        before = row
    path = np.empty((2 * n, 2), np.int64)
    i, j, length = n - 1, n - 1, 0
    while i >= 0 and j >= 0:
        path[length, 0], path[length, 1] = i, j
        length += 1
        if i == 0 and j == 0:
            break
        way = choice[i, j - i + band]
        if way != 2:
            i -= 1
        if way != 1:
            j -= 1
    return path[:length][::-1].copy()
