"""Square crops of an image at any place, size and angle, without aliasing.

Pixel coordinates are x right, y down with pixel centres at +0.5. An angle turns the crop clockwise on the screen:
the crop's right edge points along (cos, sin).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Square:
    """A turned square in an image."""

    x: float  # centre, pixels
    y: float
    size: float  # side, pixels
    angle: float = 0.0  # radians, clockwise on the screen

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 2] in the square's own [0, 1] coordinates -> pixels of the image."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        centred = (np.asarray(points) - 0.5) * self.size
        return centred @ np.array([[c, s], [-s, c]]) + (self.x, self.y)

    def from_image(self, points: np.ndarray) -> np.ndarray:
        """The inverse of `to_image`."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return (np.asarray(points) - (self.x, self.y)) @ np.array([[c, -s], [s, c]]) / self.size + 0.5


def reduce(image: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of factor x factor pixels of image [H, W, 3]; a ragged rim repeats its last row and column."""
    if factor <= 1:
        return image.astype(np.float32)
    if image.dtype == np.uint8:
        from readers.sampling_numba import reduce as fast

        return fast(image, factor)
    height, width = image.shape[:2]
    image = np.pad(image, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    rows = np.add.reduce(image.reshape(-1, factor, *image.shape[1:]), axis=1, dtype=np.float32)
    blocks = rows.reshape(len(rows), -1, factor, 3).sum(2)
    return blocks / np.float32(factor * factor)


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray, *, outside: str = "edge") -> np.ndarray:
    """Sample image [H, W, C] at pixel coordinates x, y [...] -> float32 [..., C].

    Outside the image the rim goes on (`edge`) or all is 0 (`black`).
    """
    height, width, channels = image.shape
    flat = image.reshape(-1, channels)
    x, y = (x - 0.5).astype(np.float32), (y - 0.5).astype(np.float32)
    cx, cy = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    x0, y0 = cx.astype(np.int64), cy.astype(np.int64)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    u, v = (cx - x0)[..., None], (cy - y0)[..., None]
    top = flat[y0 * width + x0] * (1 - u) + flat[y0 * width + x1] * u
    bottom = flat[y1 * width + x0] * (1 - u) + flat[y1 * width + x1] * u
    sampled = top * (1 - v) + bottom * v
    if outside == "black":
        inside = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
        sampled = sampled * inside[..., None]
    return sampled


def gaussian(image: np.ndarray, sd: float, *, rim: str = "symmetric") -> np.ndarray:
    """Blur image [H, W, ...] by a Gaussian of `sd` pixels, cut at 4 sd; beyond its rim it goes on as np.pad knows."""
    reach = int(4 * sd + 0.5)
    share = np.exp(-0.5 / sd**2 * np.arange(-reach, reach + 1) ** 2)
    share /= share.sum()
    for axis in (0, 1):
        rows = np.moveaxis(image, axis, 0).astype(np.float64)
        wide = np.pad(rows, [(reach, reach)] + [(0, 0)] * (image.ndim - 1), mode=rim)
        rows *= share[reach]
        for k in range(reach):
            rows += (wide[k : k + len(rows)] + wide[2 * reach - k :][: len(rows)]) * share[k]
        image = np.moveaxis(rows.astype(image.dtype), 0, axis)
    return image


def sample_square(image: np.ndarray, square: Square, resolution: int, *, outside: str = "edge") -> np.ndarray:
    """Resample `square` of image [H, W, 3] in 0..255, uint8 or float, to float32 [resolution, resolution, 3] in 0..1"""
    height, width = image.shape[:2]
    factor = max(1, int(square.size / resolution))
    ends = square.to_image((np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * (resolution - 1) + 0.5) / resolution)
    low = np.floor(ends.min(0) - factor).astype(int)
    high = np.ceil(ends.max(0) + 2 * factor).astype(int)
    left, top = np.clip(low, 0, (width - 1, height - 1))
    right, bottom = np.clip(high, (left + 1, top + 1), (width, height))
    part = image[top:bottom, left:right]
    placed = Square((square.x - left) / factor, (square.y - top) / factor, square.size / factor, square.angle)
    if image.dtype == np.uint8 or (image.dtype == np.float32 and factor == 1):
        return _sample_fast(part, placed, resolution, factor, outside)
    return sample_plainly(reduce(part, factor), placed, resolution, outside=outside)


def sample_plainly(image: np.ndarray, square: Square, resolution: int, *, outside: str = "edge") -> np.ndarray:
    """What `sample_square` does once the picture is reduced: the definition of its fast twin."""
    steps = (np.arange(resolution) + 0.5) / resolution
    points = square.to_image(np.stack(np.meshgrid(steps, steps), -1))
    return bilinear(image, points[..., 0], points[..., 1], outside=outside) / np.float32(255)


def _sample_fast(part: np.ndarray, square: Square, resolution: int, factor: int, outside: str) -> np.ndarray:
    from readers import sampling_numba as fast

    sample = fast.sample_bytes if part.dtype == np.uint8 and factor == 1 else fast.sample_floats
    if factor > 1:
        part = fast.reduce(part, factor)
    place = (
        float(square.x),
        float(square.y),
        float(square.size),
        float(np.cos(square.angle)),
        float(np.sin(square.angle)),
    )
    return sample(part, *place, resolution, outside == "black")
