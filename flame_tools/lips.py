"""How far lips are open: the signed vertical distance of inner-lip pairs in the head's frame, and when it counts as 0.

Pairs are those of `HeadArrays.inner_lip_pairs`, upper and lower, from the right corner to the left one. Only those in
the middle of the mouth count, for the corners touch always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.types import FaceParams

if TYPE_CHECKING:
    from flame_tools.head import Head

CENTRAL = 0.6  # share of the mouth's width in which lips must meet
_AIM_MM = (-0.5, 0.3)  # a closure aims at the gap of the face at rest, as far as that lies in here
_BLOCK = 4096  # frames posed together
CLOSED_MM = 1.0  # lips are closed where every central gap is within this of 0


def central_pairs(rest: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Mask [P] of the pairs [P, 2] within the central 60 % of the mouth's width on vertices at rest [V, 3]."""
    x = rest[pairs, 0].mean(1)
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    return np.abs(x - middle) <= CENTRAL * half + 1e-6


def gaps_mm(vertices: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """[..., P] upper less lower, of vertices [..., V, 3] in metres, in the head's frame."""
    y = vertices[..., 1]
    return 1000 * (y[..., pairs[:, 0]] - y[..., pairs[:, 1]])


def widths_mm(vertices: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """[...] between the corners of the mouth."""
    right, left = (vertices[..., pairs[end], :].mean(-2) for end in (0, -1))
    return 1000 * np.linalg.norm(left - right, axis=-1)


class Lips:
    """The inner lips of one person (`head`), cut out of the whole of them (`person`), and their gaps as they are posed.

    Raises InputError for a head without `inner_lip_pairs`.
    """

    def __init__(self, head: Head, shape: torch.Tensor):
        pairs = head.arrays.inner_lip_pairs
        if not len(pairs):
            raise InputError(
                f"head {head.arrays.id!r} has no inner_lip_pairs, so lips cannot be made to meet; "
                "FLAME gets them from landmark_embedding.npy, a character from a jawOpen that parts its lips"
            )
        used, rows = np.unique(pairs, return_inverse=True)
        self.person = head.bake(shape)
        self.head = self.person.only(torch.as_tensor(used))
        self.pairs = rows.reshape(-1, 2)
        rest = self.head.v_template.numpy()
        self.central = central_pairs(rest, self.pairs)
        # As the narrowest place is at rest: lips whose pairs lie unevenly would stay ajar where they are widest.
        self.aim_mm = float(np.clip(gaps_mm(rest, self.pairs[self.central]).min(), *_AIM_MM))

    def gaps_mm(self, params: FaceParams) -> np.ndarray:
        """Signed vertical distance [T, central pairs] in mm, upper minus lower, in the head's frame."""
        return gaps_mm(self._posed(params), self.pairs[self.central])

    def widths_mm(self, params: FaceParams) -> np.ndarray:
        """Distance [T] between the corners of the mouth in mm."""
        return widths_mm(self._posed(params), self.pairs)

    def _posed(self, params: FaceParams) -> np.ndarray:
        still = params.in_head_frame()
        if not len(still.expression):
            return np.zeros((0, len(self.head.v_template), 3), np.float32)
        with torch.no_grad():
            blocks = [still.frame(slice(at, at + _BLOCK)) for at in range(0, len(still.expression), _BLOCK)]
            return np.concatenate([self.head.vertices(block).numpy() for block in blocks])

    def gaps_of_weights_mm(self, weights: np.ndarray) -> np.ndarray:
        """As `gaps_mm`, for ARKit weights [T, 52]."""
        from flame_tools.arkit import to_params

        return self.gaps_mm(to_params(torch.as_tensor(weights, dtype=torch.float32), self.head))
