"""sRGB's curve (IEC 61966-2-1) on numbers in [0, 1], in their own type."""

from __future__ import annotations

import numpy as np


def decoded(value: np.ndarray) -> np.ndarray:
    """sRGB to linear light."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    """Linear light to sRGB."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
