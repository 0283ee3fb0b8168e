"""Recordings longer than a published model takes at once: windows that overlap, cross-faded where they do.

What fits is one window and exactly what the model says of it. Beyond, a frame outside the overlaps is what its window
alone gives; where two windows overlap, their share changes linearly from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def starts(frames: int, most: int, overlap: int) -> range:
    """First frames of the windows, `most` long (the last may be shorter), that cover `frames`."""
    return range(0, 1 if frames <= most else frames - overlap, most - overlap)


def joined(pieces: Sequence[tuple[int, Tensor]]) -> Tensor:
    """Rows [n, ...] of windows with their first frames, in order -> [T, ...]."""
    (_, out), *rest = pieces
    for start, rows in rest:
        both = len(out) - start
        share = (torch.arange(both, dtype=out.dtype) + 1) / (both + 1)
        share = share.to(out.device).view(-1, *[1] * (out.ndim - 1))
        out = torch.cat([out[:start], torch.lerp(out[start:], rows[:both], share), rows[both:]])
    return out
