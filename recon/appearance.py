"""What a face looks like, taken from one picture: its texture and light, with eyes painted in their own colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.types import Appearance, Camera, HeadArrays
from recon.eyes import iris_colour, paint_eyes
from recon.observation import Observation
from recon.texture import make_albedo


@dataclass(frozen=True)
class Taken:
    """An appearance, and how much of it was seen."""

    appearance: Appearance
    coverage: float  # share of the face that the picture shows
    iris: np.ndarray  # [3] uint8 sRGB


def take_appearance(
    image: np.ndarray,  # [H, W, 3] uint8 sRGB
    head: HeadArrays,
    vertices: np.ndarray,  # [V, 3] metres, posed as in the picture
    camera: Camera,
    seen: Observation,
) -> Taken:
    """Project a picture onto the head that was fitted to it."""
    albedo, light, coverage = make_albedo(image, head, vertices, camera)
    iris = iris_colour(image, seen.iris, seen.iris_radius)
    albedo = paint_eyes(albedo, head, iris)
    return Taken(Appearance(albedo=albedo, light=light.astype(np.float32)), float(coverage), iris)
