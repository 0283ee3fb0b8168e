"""The squares that the published networks were trained to see, from landmarks.

A square of `margin` times the mean of the landmark box's width and height, about the box's centre. Published margins,
in the authors' demos: 68 landmarks and 1.25 x 1.1 in DECA, EMOCA and EMICA; 68 and 1.6 in SPECTRE; MediaPipe's 468 and
1.4 in SMIRK and TEASER. All resample to 224 x 224.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError, ShapeError
from readers.sampling import Square, sample_square

SIZE = 224  # pixels a side
MARGINS = {"deca": 1.375, "emoca": 1.375, "emica": 1.375, "spectre": 1.6, "smirk": 1.4, "teaser": 1.4}


def face_square(
    landmarks: np.ndarray,  # [L, 2 or 3] pixels
    margin: float,  # of MARGINS
) -> Square:
    """The square round landmarks. The first and the last pixel of the crop are centred on the box's sides."""
    points = np.asarray(landmarks, np.float64)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) < 2 or not np.isfinite(points).all():
        raise ShapeError(f"landmarks are {list(points.shape)}, wanted finite pixels [L, 2] or [L, 3]")
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    side = float(int((high - low).mean() * margin))  # whole pixels, as published
    if side < 1:
        raise InputError(f"the landmarks span {(high - low).max():.1f} pixels; wanted a face of some size")
    x, y = (low + high) / 2
    return Square(float(x), float(y), side * SIZE / (SIZE - 1))


def crop(
    image: np.ndarray,  # [H, W, 3] uint8 or float, 0..255
    square: Square,
) -> Tensor:  # [1, 3, 224, 224] RGB in [0, 1], black beyond the image
    """The pixels of a square as the networks take them."""
    pixels = sample_square(image, square, SIZE, outside="black")
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]
