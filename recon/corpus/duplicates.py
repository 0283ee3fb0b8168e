"""Samples that hardly differ from one just before: the frames of a still film, pictures of a burst."""

from __future__ import annotations

from collections import deque

import numpy as np

from recon.corpus.fitted import Packed

LOOKED_AT = 64  # samples before
SAME_LIGHT = 0.012  # mean difference of the thumbnails, of the whole range
SAME_PLACE = 0.004  # root mean square of the landmarks' distances, in sides of the crop


class Duplicates:
    """Knows the last samples that were taken."""

    def __init__(self):
        self._last: deque[Packed] = deque(maxlen=LOOKED_AT)

    def takes(self, sample: Packed) -> bool:
        """Whether a sample is another than the last ones; it is then one of them."""
        if any(_alike(sample, other) for other in self._last):
            return False
        self._last.append(sample)
        return True


def _alike(a: Packed, b: Packed) -> bool:
    if np.abs(a.thumbnail - b.thumbnail).mean() > SAME_LIGHT:
        return False
    return float(np.sqrt(((a.landmarks - b.landmarks) ** 2).sum(-1).mean())) < SAME_PLACE
