"""How well phones were heard, before any face moves: the lip measures of `animate.metrics`, asked of phones alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animate.metrics import TOLERANCE_S
from animate.visemes import BILABIAL, LABIODENTAL, OPEN_VOWELS, SILENCE, plain
from flame_tools.types import Intervals


@dataclass
class Lips:
    """Counts over recordings: [found, asked]."""

    closure: tuple[int, int] = (0, 0)
    false_open: tuple[int, int] = (0, 0)
    false_other: tuple[int, int] = (0, 0)

    def add(self, true: Intervals, found: Intervals) -> None:
        """P B M of `found` within 40 ms of those of `true`; and in the middle half of what is none."""
        labial = np.array([plain(name) in BILABIAL for name in found.names], bool)
        starts, ends = found.start_s[labial], found.end_s[labial]

        def any_in(start: float, end: float) -> bool:
            return bool(((starts <= end) & (ends >= start)).any())

        for name, start, end in zip(map(plain, true.names), true.start_s, true.end_s, strict=True):
            quarter = (end - start) / 4
            inside = (start + quarter, end - quarter)
            if name in BILABIAL:
                self.closure = _plus(self.closure, any_in(start - TOLERANCE_S, end + TOLERANCE_S))
            elif name in OPEN_VOWELS and end - start >= 0.0799:
                self.false_open = _plus(self.false_open, any_in(*inside))
            if name not in BILABIAL | LABIODENTAL | {SILENCE, "SPN"} and end - start >= 0.0599:
                self.false_other = _plus(self.false_other, any_in(*inside))

    def figures(self) -> dict[str, float]:
        return {
            "bilabial_closure": _share(self.closure),
            "false_closure": _share(self.false_open),
            "false_closure_other": _share(self.false_other),
        }


def _plus(count: tuple[int, int], yes: bool) -> tuple[int, int]:
    return count[0] + yes, count[1] + 1


def _share(count: tuple[int, int]) -> float:
    return count[0] / max(count[1], 1)
