"""The unknowns of one face as a vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Where each part lies in the vector of unknowns."""

    shape: slice
    expression: slice
    jaw: slice  # 2: +x opens, +y to the subject's left; radians
    eyes: slice  # 4: left x, y, right x, y; radians
    eyelids: slice  # 2: left, right
    rotation: slice  # 3: global axis-angle
    translation: slice  # 3: metres
    log_focal: slice  # 1: log of pixels; in weak perspective of pixels a metre
    size: int

    @staticmethod
    def of(shape: int, expression: int) -> Layout:
        sizes = (shape, expression, 2, 4, 2, 3, 3, 1)
        ends = np.cumsum(sizes).tolist()
        return Layout(*(slice(end - size, end) for size, end in zip(sizes, ends, strict=True)), size=ends[-1])
