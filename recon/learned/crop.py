"""A crop round a face, and where a head stands in it whatever camera took the picture.

The crop's own camera looks along the ray through its middle, upright as the crop. A place in it is where the anchor of
the head lies, right and down from the middle in sides of the crop, and the logarithm of how many sides a metre has
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from flame_tools.types import HeadArrays
from readers.sampling import Square
from recon.fitting.rotation import rotation_matrix

if TYPE_CHECKING:
    from torch import Tensor

Points = TypeVar("Points", np.ndarray, "Tensor")

CUT = 112  # pixels a side of a crop's picture
TIGHT = 0.76  # of the reader's crop, along which the picture is cut
_FLIP = np.diag([1.0, -1.0, -1.0])  # world axes (y up, camera along -z) <-> camera axes (y down, z forward)


def anchor_of(head: HeadArrays) -> np.ndarray:
    """[3] metres, head frame: the middle of the 468 landmarks of the mean face."""
    marks = head.landmarks["468"]
    return np.einsum("lk,lkc->c", marks.barycentrics, head.v_template[head.faces[marks.faces]]) / len(marks.faces)


def in_picture(marks: Points) -> Points:
    """Places [..., 2], shares of the reader's crop -> crop units of the picture in its middle (sides at -1 and 1)."""
    return (marks - 0.5) * (2 / TIGHT)


@dataclass(frozen=True)
class CropCamera:
    """A camera and a crop of its picture."""

    roi: Square  # pixels
    focal: float  # pixels
    middle: np.ndarray  # [2] pixels, the principal point

    @property
    def turn(self) -> np.ndarray:
        """[3, 3] world axes of the camera -> those of the crop's own."""
        x, y = (np.array([self.roi.x, self.roi.y]) - self.middle) / self.focal
        across = np.hypot(x, y)
        angle = np.arctan(across)
        axis = np.array([y, -x, 0.0]) / across * angle if across > 1e-12 else np.zeros(3)
        upright = rotation_matrix(np.array([0, 0, -self.roi.angle]))
        return _FLIP @ upright @ rotation_matrix(axis) @ _FLIP

    def to_crop(self, rotation: np.ndarray, anchor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A head's rotation [3, 3] and its anchor [3] in the world -> the rotation in the crop's axes, place [3]."""
        at = anchor * (1, -1, -1)
        seen = self.roi.from_image(self.focal * at[:2] / at[2] + self.middle) - 0.5
        return self.turn @ rotation, np.append(seen, np.log(self.focal / self.roi.size / at[2]))

    def to_world(self, rotation: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of `to_crop`."""
        depth = self.focal / self.roi.size / np.exp(place[2])
        x, y = (self.roi.to_image(place[:2] + 0.5) - self.middle) / self.focal
        return self.turn.T @ rotation, depth * np.array([x, -y, -1])
