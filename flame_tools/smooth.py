"""A share that leaves one value and reaches another without a kink."""

from __future__ import annotations

import numpy as np


def smooth_step(values: np.ndarray, low: float = 0, high: float = 1) -> np.ndarray:
    """0 at `low` and before, 1 at `high` and beyond, t^2 (3 - 2 t) between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
