"""Operations that look a bounded way back and ahead, over a whole recording or piece by piece with the same result.

A `Window` says how far. `Delay` is all the memory that a stream needs: it keeps the rows that later outputs still ask
for, and knows where the recording begins and ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """How far an operation looks, in its own frames."""

    back: int
    ahead: int


class Delay:
    """Rows [..., n, C] that come in pieces, handed on with their surroundings."""

    def __init__(self, window: Window):
        self.window = window
        self._kept: Tensor | None = None
        self._past = 0  # rows in front of the next output that are kept; fewer than window.back near the beginning

    def push(self, rows: Tensor, *, last: bool = False) -> tuple[Tensor, int, int]:
        """Add rows. Returns (surroundings [..., m, C], first, stop): outputs first..stop of them can be made now."""
        held = rows if self._kept is None else torch.cat([self._kept, rows], -2)
        first = self._past
        stop = held.shape[-2] - (0 if last else self.window.ahead)
        stop = max(stop, first)
        drop = max(stop - self.window.back, 0)
        self._kept, self._past = held[..., drop:, :], stop - drop
        return held, first, stop


def whole(rows: Tensor) -> tuple[Tensor, int, int]:
    """As Delay.push where everything is there at once."""
    return rows, 0, rows.shape[-2]
