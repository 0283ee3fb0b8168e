"""The squares that the published networks were trained to see, from landmarks.

A square of `margin` times the mean of the landmark box's width and height, about the box's centre. Published margins,
in the authors' demos: 68 landmarks and 1.25 x 1.1 in DECA, EMOCA and EMICA; 68 and 1.6 in SPECTRE; MediaPipe's 468 and
1.4 in SMIRK and TEASER. All resample to 224 x 224.

MICA, in EMICA too, was trained on ArcFace's faces of 112 x 112: turned and scaled so that five points lie, by least
squares, where insightface's template has them (`arcface_dst`). INFERNO takes them of 68: the eyes' middles, the tip of
the nose, the inner corners of the mouth.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError, ShapeError
from readers.sampling import Square, sample_square

SIZE = 224  # pixels a side
MARGINS = {"deca": 1.375, "emoca": 1.375, "emica": 1.375, "spectre": 1.6, "smirk": 1.4, "teaser": 1.4}
ALIGNED = 112  # pixels a side
_TEMPLATE = np.array(  # right eye, left eye, nose, right and left corner of the mouth; indices of pixels
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_FIVE = ((38, 41), (44, 46), (30,), (60,), (64,))  # of 68, averaged


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


def aligned_square(
    landmarks: np.ndarray,  # [68, 2 or 3] pixels, iBUG's
) -> Square:
    """The turned square whose pixels are ArcFace's view of a face. Raises InputError where the landmarks are one."""
    points = np.stack([np.asarray(landmarks, np.float64)[list(own), :2].mean(0) for own in _FIVE])
    seen, wanted = (xy @ (1, 1j) for xy in (points, _TEMPLATE + 0.5))
    apart = seen - seen.mean()
    if not (spread := float((abs(apart) ** 2).sum())) > 1:
        raise InputError("eyes, nose and mouth lie in one place; wanted a face of some size")
    turn = (apart.conj() @ (wanted - wanted.mean())) / spread  # of the picture into the template (Umeyama 1991, in 2D)
    centre = seen.mean() + (ALIGNED / 2 * (1 + 1j) - wanted.mean()) / turn
    return Square(float(centre.real), float(centre.imag), ALIGNED / float(abs(turn)), -float(np.angle(turn)))


def aligned(
    image: np.ndarray,  # [H, W, 3] uint8 or float, 0..255
    square: Square,  # of `aligned_square`
) -> Tensor:  # [1, 3, 112, 112] RGB in [-1, 1], black beyond the image
    """The pixels of a face as `mica.Mica` takes them."""
    pixels = sample_square(image, square, ALIGNED, outside="black")
    return torch.from_numpy(np.ascontiguousarray(2 * pixels.transpose(2, 0, 1) - 1, np.float32))[None]
