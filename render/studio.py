"""The lamps of the default look, and the way between bytes and linear light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from render.materials import linear_to_srgb, srgb_to_linear


@dataclass(frozen=True)
class Lights:
    """A studio. Directions point from the subject to the light, in view axes; colours are linear."""

    directions: tuple = ((-0.55, 0.62, 0.70), (0.92, 0.12, 0.52), (0.62, 0.42, -0.80))
    colours: tuple = ((1.06, 1.02, 0.96), (0.20, 0.205, 0.215), (0.60, 0.61, 0.64))
    sky: tuple = (0.315, 0.32, 0.335)
    ground: tuple = (0.15, 0.125, 0.11)

    def packed(self) -> tuple[np.ndarray, np.ndarray]:
        """[L, 6] float32 unit direction and colour, and [2, 3] sky and ground."""
        directions = np.array(self.directions, np.float64)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        rows = np.concatenate([directions, np.array(self.colours)], 1).astype(np.float32)
        return rows, np.array([self.sky, self.ground], np.float32)


STUDIO = Lights()
DECODE = srgb_to_linear(np.arange(256) / 255).astype(np.float32)  # byte to linear
ENCODE = np.rint(linear_to_srgb(np.arange(8193) / 8192) * 255).astype(np.uint8)  # linear * 8192 to byte
