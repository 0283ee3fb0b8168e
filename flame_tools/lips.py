"""How far lips are open: the signed vertical distance of inner-lip pairs in the head's frame, and when it counts as 0.

Pairs are those of `HeadArrays.inner_lip_pairs`, upper and lower, from the right corner to the left one. Only those in
the middle of the mouth count, for the corners touch always.
"""

from __future__ import annotations

import numpy as np

CENTRAL = 0.6  # share of the mouth's width in which lips must meet
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
