"""Shot cuts: where the whole picture changes at once, and its tones with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

ROWS, COLUMNS, TONES = 18, 32, 16
_LEAST_CHANGE = 0.10  # mean change of a thumbnail's pixels that a cut makes, of the whole range
_LEAST_TONES = 0.20  # share of the thumbnail whose tones have to be others
_OVER_USUAL = 4.0  # times the change from frame to frame of late


def thumbnail(image: np.ndarray) -> np.ndarray:
    """[ROWS, COLUMNS] float64 in [0, 1]: green, blurred by means over a few pixels of each cell."""
    height, width = image.shape[:2]
    rows = (np.arange(ROWS * 4) * height) // (ROWS * 4)
    columns = (np.arange(COLUMNS * 4) * width) // (COLUMNS * 4)
    picked = image[rows[:, None], columns[None], 1].astype(np.float64)
    return picked.reshape(ROWS, 4, COLUMNS, 4).mean((1, 3)) / 255


@dataclass
class CutFinder:
    """Compares each frame with the one before."""

    last: np.ndarray = field(default_factory=lambda: np.zeros((0, COLUMNS)))
    usual: float = 0.0  # mean change of late

    def is_cut(self, image: np.ndarray) -> bool:
        """Whether a new shot begins with this frame; never with the first."""
        now = thumbnail(image)
        before, self.last = self.last, now
        if not len(before):
            return False
        change = float(np.abs(now - before).mean())
        tones = [np.histogram(t, bins=TONES, range=(0, 1))[0] / t.size for t in (before, now)]
        apart = float(np.abs(tones[0] - tones[1]).sum() / 2)
        cut = change > max(_LEAST_CHANGE, _OVER_USUAL * self.usual) and apart > _LEAST_TONES
        self.usual = 0.0 if cut else 0.8 * self.usual + 0.2 * change
        return cut
