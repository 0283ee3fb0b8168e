"""The colour of a person's irises, and eyes painted with it into the atlas."""

from __future__ import annotations

import numpy as np

from flame_tools.types import HeadArrays
from readers.sampling import bilinear
from recon.texture.uv_map import uv_map
from render.eyes import EYE_EXTENT, eye_texture
from render.kept_looks import look_of
from render.materials import linear_to_srgb, srgb_to_linear

SMALLEST_IRIS_PX = 3.0  # radius; below, a pixel mixes iris, pupil and white
RING = (0.5, 0.8)  # shares of the radius between pupil and limbus
COMMON = np.array([104, 92, 62])  # sRGB, where nothing can be seen


def iris_colours(image: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """[n, 3] linear colours of what is seen of both irises; none where they are too small to tell.

    In image uint8 [H, W, 3], irises at pixels centres [2, 2] with radii [2]. Looked at to the sides and below,
    where neither the lid's shadow nor the lamp's reflection lies.
    """
    angles = np.radians([-5, 15, 35, 55, 75, 105, 125, 145, 165, 185])  # y is down
    shares = np.linspace(*RING, 4)
    found = [np.zeros((0, 3))]
    for centre, radius in zip(centres, radii, strict=True):
        if radius >= SMALLEST_IRIS_PX:
            reach = (radius * shares)[:, None]
            x, y = centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)
            found.append(srgb_to_linear(bilinear(image, x, y).reshape(-1, 3) / 255))
    return np.concatenate(found)


def common_colour(pictures: list[np.ndarray]) -> np.ndarray:
    """[3] uint8 sRGB of irises whose linear colours [n, 3] several pictures gave; brown where none did.

    The middle picture counts: in some an eye is shut, or lies in the shade.
    """
    found = []
    for colours in pictures:
        if len(colours):
            grey = colours.mean(1)
            kept = colours[(grey >= np.quantile(grey, 0.2)) & (grey <= np.quantile(grey, 0.7))]
            found.append(kept.mean(0))
    if not found:
        return COMMON.astype(np.uint8)
    return np.rint(linear_to_srgb(np.median(found, 0)) * 255).astype(np.uint8)


def paint_eyes(albedo: np.ndarray, head: HeadArrays, iris: np.ndarray) -> np.ndarray:
    """albedo uint8 [size, size, 3] with its eyes painted in iris colour [3] uint8; a copy."""
    eyes = uv_map(head, len(albedo), ("sclera", "iris", "pupil"))
    place = eyes.spread(look_of(head).eye)  # in iris radii about the gaze axis
    inner = np.clip(iris * 1.25 + 6, 0, 255)
    texture = eye_texture(iris=tuple(iris.tolist()), inner=tuple(inner.tolist()))
    scale = len(texture) / (2 * EYE_EXTENT)
    x, y = (place[:, 0] + EYE_EXTENT) * scale, (EYE_EXTENT - place[:, 1]) * scale
    painted = albedo.copy()
    painted.reshape(-1, 3)[eyes.texels] = np.rint(bilinear(texture, x, y))
    return painted
