"""Gradients of many pixels to few corners: each band of rows adds up in a buffer of its own, bands are summed in order.

The bands depend on the picture's height alone, so neither threads nor the rest of the batch change a bit of the sum.
"""

from __future__ import annotations

import numpy as np

from flame_tools.threads import run_tasks

ROWS = 64  # of a band, at least
MOST = 8  # bands a picture
BYTES = 64 << 20  # of buffers at once


def summed(
    work,  # work(image, top, bottom, buffer): adds a band's gradients to buffer
    batch: int,
    height: int,
    shape: tuple[int, ...],  # of one image's gradient
    threads: int,
) -> np.ndarray:  # [batch, *shape] float64
    bands = max(1, min(height // ROWS, MOST))
    edges = [height * k // bands for k in range(bands + 1)]
    result = np.empty((batch, *shape))
    at_once = max(1, BYTES // max(1, bands * result[:1].nbytes)) if batch else 1
    for first in range(0, batch, at_once):
        images = range(first, min(first + at_once, batch))
        buffers = np.zeros((len(images), bands, *shape))

        def band(b, k, buffers=buffers, first=first):
            work(first + b, edges[k], edges[k + 1], buffers[b, k])

        run_tasks(band, [(b, k) for b in range(len(images)) for k in range(bands)], threads)
        np.sum(buffers, axis=1, out=result[images.start : images.stop])
    return result
