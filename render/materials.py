"""What each material of a head looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.srgb import decoded, encoded

# page of a material: where its colour comes from
PLAIN, SKIN, EYE = 0, 1, 2


@dataclass(frozen=True)
class Material:
    """How one kind of surface reflects."""

    colour: tuple[int, int, int]  # sRGB albedo
    roughness: float = 0.5  # GGX, perceptual
    specular: float = 0.04  # reflectance at normal incidence
    coat: float = 0.0  # strength of a second, wet layer
    wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)  # how far light bleeds past the terminator, per channel
    page: int = PLAIN
    interior: bool = False  # lit through the lips' opening only


MATERIALS = {
    "skin": Material((212, 168, 145), 0.58, 0.026, 0.0, (0.40, 0.20, 0.13), SKIN),
    "lips": Material((186, 120, 112), 0.56, 0.028, 0.03, (0.35, 0.2, 0.15), SKIN),
    "sclera": Material((226, 217, 209), 0.35, 0.03, 1.0, (0.35, 0.25, 0.22), EYE),
    "iris": Material((96, 112, 118), 0.35, 0.03, 1.0, (0.3, 0.3, 0.3), EYE),
    "pupil": Material((8, 8, 9), 0.35, 0.03, 1.0, (0.0, 0.0, 0.0), EYE),
    "teeth": Material((224, 214, 197), 0.35, 0.035, 0.2, (0.60, 0.54, 0.46), PLAIN, True),
    "gums": Material((170, 96, 92), 0.5, 0.03, 0.12, (0.3, 0.15, 0.1), PLAIN, True),
    "tongue": Material((178, 100, 98), 0.6, 0.03, 0.06, (0.3, 0.15, 0.1), PLAIN, True),
    "mouth": Material((128, 52, 48), 0.9, 0.0, 0.0, (0.2, 0.1, 0.1), PLAIN, True),
    "other": Material((170, 165, 160), 0.5, 0.04, 0.0, (0.1, 0.1, 0.1), PLAIN),
}

RAMP = 256
COLUMNS = 8  # albedo r g b, roughness, specular, coat, page, interior (-1: dark where it is seen from within)


def srgb_to_linear(value):
    """sRGB in [0, 1] to linear light, as float64."""
    return decoded(np.asarray(value, np.float64))


def linear_to_srgb(value):
    """Linear light, cut to [0, 1], to sRGB, as float64."""
    return encoded(np.clip(np.asarray(value, np.float64), 0, 1))


def wrap_ramp(wrap) -> np.ndarray:  # [RAMP, 3] float32 over n.l in [-1, 1]
    """Diffuse light over the cosine: Lambert that reaches past the terminator and is redder there."""
    cosine = np.linspace(-1, 1, RAMP)[:, None]
    wrap = np.asarray(wrap)[None, :]
    return (np.clip((cosine + wrap) / (1 + wrap), 0, None) ** (1 + wrap)).astype(np.float32)


def material_tables(names) -> tuple[np.ndarray, np.ndarray]:
    """[M, COLUMNS] float32 and ramps [M, RAMP, 3] float32 for a head's material names."""
    chosen = [MATERIALS.get(name, MATERIALS["other"]) for name in names]
    table = np.array(
        [
            [*srgb_to_linear(np.array(m.colour) / 255), m.roughness, m.specular, m.coat, m.page, m.interior]
            for m in chosen
        ],
        np.float32,
    )
    return table, np.stack([wrap_ramp(m.wrap) for m in chosen])
