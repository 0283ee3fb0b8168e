"""Shot cuts: where the whole picture changes at once, and its tones with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

ROWS, COLUMNS, TONES = 18, 32, 16
# A cut: (least mean change of a thumbnail's pixels, of the whole range; least times the usual change from frame to
# frame; least share of the thumbnail whose tones are others). Either of the two: two shots of one wall differ little.
_CUTS = ((0.10, 4.0, 0.20), (0.04, 8.0, 0.12))
_SUSPICION = 5.0  # times the usual change: a cut if the faces are others too
_USUAL_AT_LEAST = 0.004


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

    def look(self, image: np.ndarray) -> tuple[bool, bool]:
        """Whether a new shot begins with this frame, and whether one may begin; neither with the first frame."""
        now = thumbnail(image)
        before, self.last = self.last, now
        if not len(before):
            return False, False
        change = float(np.abs(now - before).mean())
        tones = [np.histogram(t, bins=TONES, range=(0, 1))[0] / t.size for t in (before, now)]
        apart = float(np.abs(tones[0] - tones[1]).sum() / 2)
        usual = max(self.usual, _USUAL_AT_LEAST)
        cut = any(change > least and change > times * usual and apart > share for least, times, share in _CUTS)
        maybe = cut or change > _SUSPICION * usual
        if not maybe:
            self.usual = 0.8 * self.usual + 0.2 * change
        else:
            self.usual = 0.8 * self.usual + 0.2 * min(change, 2 * usual)
        return cut, maybe
