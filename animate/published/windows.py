"""Recordings longer than a published model takes at once: windows that overlap, cross-faded where they do.

What fits is one window and exactly what the model says of it. Beyond, a frame outside the overlaps is what its window
alone gives; where two windows overlap, their share changes linearly from one to the other.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def starts(frames: int, most: int, overlap: int) -> range:
    """First frames of the windows, `most` long (the last may be shorter), that cover `frames`."""
    return range(0, 1 if frames <= most else frames - overlap, most - overlap)


def joined(pieces: Iterable[tuple[int, Tensor]]) -> Tensor:
    """Rows [n, ...] of windows with their first frames, in order -> [T, ...]; no more than two of them overlap."""
    done: list[Tensor] = []
    held, first = None, 0  # rows from `first` on that the next window may still change
    for start, rows in pieces:
        if held is not None:
            both = first + len(held) - start
            share = (torch.arange(both, dtype=rows.dtype) + 1) / (both + 1)
            share = share.to(rows.device).view(-1, *[1] * (rows.ndim - 1))
            done.append(held[: start - first])
            rows = torch.cat([torch.lerp(held[start - first :], rows[:both], share), rows[both:]])
        held, first = rows, start
    return torch.cat([*done, held])
