"""Shot cuts: where the whole picture changes at once, and its tones with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

ROWS, COLUMNS, TONES = 18, 32, 16
_CHANGED = 0.02  # of the whole range: a cell of the thumbnail is another
_MOST_CELLS, _MANY_CELLS = 0.6, 0.45  # share of them that a cut, perhaps a cut changes; a hand before the lens: 0.25
_LEAST_CHANGE = 0.04  # of a cut, on average; two shots of one wall: 0.07
_LEAST_TONES = 0.12  # share of the thumbnail whose tones have to be others: a camera that turns keeps them
_OVER_USUAL, _MAYBE_OVER_USUAL = 8.0, 5.0  # times the change from frame to frame of late
_USUAL_AT_LEAST = 0.004


def thumbnail(image: np.ndarray) -> np.ndarray:
    """[ROWS, COLUMNS] float64 in [0, 1]: green, blurred by means over a few pixels of each cell."""
    height, width = image.shape[:2]
    rows = (np.arange(ROWS * 4) * height) // (ROWS * 4)
    columns = (np.arange(COLUMNS * 4) * width) // (COLUMNS * 4)
    picked = image[rows[:, None], columns[None], 1].astype(np.float64)
    return picked.reshape(ROWS, 4, COLUMNS, 4).mean((1, 3)) / 255


def _tones(small: np.ndarray) -> np.ndarray:
    """[TONES] shares of a thumbnail's cells."""
    return np.bincount(np.minimum((small * TONES).astype(int), TONES - 1).ravel(), minlength=TONES) / small.size


@dataclass
class CutFinder:
    """Compares each frame with the one before."""

    last: np.ndarray = field(default_factory=lambda: np.zeros((0, COLUMNS)))
    usual: float = 0.0  # mean change of late

    def look(self, image: np.ndarray) -> tuple[bool, bool]:
        """Whether a new shot begins with this frame, and whether one may begin; neither with the first frame."""
        now = thumbnail(image)
        before, self.last = self.last, now
        if not len(before):
            return False, False
        difference = np.abs(now - before)
        change, cells = float(difference.mean()), float((difference > _CHANGED).mean())
        apart = float(np.abs(_tones(before) - _tones(now)).sum() / 2)
        over_usual = change / max(self.usual, _USUAL_AT_LEAST)
        cut = cells > _MOST_CELLS and change > _LEAST_CHANGE and over_usual > _OVER_USUAL and apart > _LEAST_TONES
        maybe = cut or (cells > _MANY_CELLS and over_usual > _MAYBE_OVER_USUAL)
        usual = min(change, 2 * max(self.usual, _USUAL_AT_LEAST)) if maybe else change
        self.usual = 0.8 * self.usual + 0.2 * usual
        return cut, maybe
