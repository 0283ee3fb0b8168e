"""The unit and the upward axis of a file's numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}  # in metres


@dataclass(frozen=True)
class Axes:
    """The unit and the upward axis that a file's numbers are in. Ours are metres, y up, the face towards +z."""

    unit: str = "m"  # of UNITS
    up: str = "y"  # "z": the face looks towards -y, as in Blender and 3ds Max

    @property
    def metres(self) -> float:
        """How long the file's unit is."""
        return UNITS[self.unit]

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points or offsets [..., 3] in metres, y up, in the file's unit and axes, in their own type."""
        return self.turn(points) if self.unit == "m" else (self.turn(points) / self.metres).astype(points.dtype)

    def turn(self, vectors: np.ndarray) -> np.ndarray:
        """Directions [..., 3], or the vector parts of quaternions, in the file's axes."""
        if self.up == "y":
            return vectors
        x, y, z = np.moveaxis(vectors, -1, 0)
        return np.stack([x, -z, y], -1)


OURS = Axes()
