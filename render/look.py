"""What a picture needs to know of a head, whatever its pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Look:
    """Everything about a head's picture that does not change with its pose."""

    faces: np.ndarray  # [F, 3] int32
    face_material: np.ndarray  # [F] int32
    names: tuple[str, ...]
    table: np.ndarray  # [M, COLUMNS] float32
    ramps: np.ndarray  # [M, RAMP, 3] float32
    uv: np.ndarray  # [U, 2] float32, [1, 2] where there is none
    uv_faces: np.ndarray  # [F, 3] int32
    has_uv: bool
    uv_per_metre: float  # how much of the UV square a metre of skin spans
    eye_per_metre: float  # the same for the eye's texture
    tint: np.ndarray  # [V, 3] float32 multiplies the albedo
    occlusion: np.ndarray  # [V] float32 share of the sky that a vertex sees at rest
    gloss: np.ndarray  # [V] float32 extra wetness
    mouth: np.ndarray  # [n] int32 vertices that light reaches between the lips
    lip_pairs: np.ndarray  # [P, 2] int32 upper and lower inner lips
    balls: tuple  # of render.occlusion.Ball
    eye: np.ndarray  # [V, 2] float32 stereographic gaze coordinates of eyeball vertices, in iris radii
    eye_uv: tuple[np.ndarray, ...]  # uv [n, 2] of pupil, iris and sclera
    eye_texture: np.ndarray  # [h, w, 3] uint8 sRGB over eye in [-EYE_EXTENT, EYE_EXTENT]
    paint: Callable[[], np.ndarray | None]  # makes skin_texture

    @cached_property
    def skin_texture(self) -> np.ndarray | None:
        """[h, w, 3] uint8 sRGB in UV, row 0 at v = 1; painted when it is first asked for."""
        return self.paint()

    @cached_property
    def rounded(self):
        """The mesh as it is drawn in large pictures (render.rounded), made when the first is drawn."""
        from render.rounded import rounded

        return rounded(self)
