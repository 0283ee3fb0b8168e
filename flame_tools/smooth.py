"""Shares in [0, 1] by where a value lies between two."""

from __future__ import annotations

import numpy as np


def smooth_step(values: np.ndarray, low: float = 0, high: float = 1) -> np.ndarray:
    """0 at `low` and before, 1 at `high` and beyond, t^2 (3 - 2 t) between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def falling(value: float, full: float, none: float) -> float:
    """1 at `full` and before, 0 at `none` and beyond, a straight line between."""
    return float(np.clip((none - value) / (none - full), 0, 1))
