"""What many distances come to: median, mean, standard deviation, and the share within each distance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flame_tools.errors import ShapeError

CURVE_MM = tuple(np.arange(0, 7.01, 0.25).tolist())  # NoW's own curves end at 7 mm
BIN_MM, BINS = 0.01, 10_000  # what lies beyond 100 mm counts as that


@dataclass(frozen=True)
class Summary:
    """Of distances in mm; the standard deviation is that of all of them (not of a sample)."""

    median_mm: float
    mean_mm: float
    std_mm: float
    p90_mm: float
    points: int


def summarised(distances: np.ndarray) -> Summary:
    """Figures of distances [n] in mm, n > 0."""
    if not len(distances):
        raise ShapeError("there is no distance to sum up; wanted one or more")
    return Summary(
        float(np.median(distances)),
        float(distances.mean()),
        float(distances.std()),
        float(np.quantile(distances, 0.9)),
        len(distances),
    )


def cumulative(distances: np.ndarray, at_mm=CURVE_MM) -> list[float]:
    """The share of distances [n] that are no larger than each of `at_mm`."""
    ordered = np.sort(distances)
    return (np.searchsorted(ordered, np.asarray(at_mm), side="right") / len(ordered)).tolist()


@dataclass
class Pool:
    """The distances of many scans together, in memory that does not grow: NoW pools those of all pictures.

    Mean, deviation and count are exact; median, quantiles and shares are so to 0.01 mm.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS + 1, np.int64))
    total: float = 0.0
    squares: float = 0.0

    def add(self, distances: np.ndarray) -> None:
        """Take in distances [n] in mm."""
        rows = np.minimum(distances / BIN_MM, BINS).astype(np.int64)
        self.counts += np.bincount(rows, minlength=BINS + 1)
        self.total += float(distances.sum())
        self.squares += float(distances @ distances)

    def summary(self) -> Summary:
        """Figures of all that was taken in."""
        count = int(self.counts.sum())
        if not count:
            raise ShapeError("the pool is empty; add distances first")
        mean = self.total / count
        return Summary(
            self._quantile(0.5),
            mean,
            float(np.sqrt(max(self.squares / count - mean**2, 0))),
            self._quantile(0.9),
            count,
        )

    def cumulative(self, at_mm=CURVE_MM) -> list[float]:
        """The share of distances below each of `at_mm`."""
        edges = np.arange(BINS + 2) * BIN_MM
        below = np.concatenate([[0], np.cumsum(self.counts)]) / self.counts.sum()
        return np.interp(at_mm, edges, below).tolist()

    def _quantile(self, share: float) -> float:
        below = np.concatenate([[0], np.cumsum(self.counts)])
        wanted = share * below[-1]
        row = int(np.searchsorted(below, wanted, side="left"))
        row = max(row - 1, 0)
        inside = (wanted - below[row]) / max(self.counts[row], 1)
        return float((row + inside) * BIN_MM)
