"""Plain colours for a head's materials, and the file form of its texture, for every writer that has materials."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np

from flame_tools.archive import PNG_LEVEL
from flame_tools.errors import ShapeError
from flame_tools.srgb import decoded, encoded
from flame_tools.types import HeadArrays, Track


@dataclass(frozen=True)
class Look:
    """How one material leaves in a file."""

    colour: tuple[int, int, int]
    """sRGB base colour, used where there is no texture."""
    roughness: float
    """Perceptual roughness in [0, 1]."""
    textured: bool = False
    """Whether a track's albedo covers it."""
    relief: bool = False
    """Whether its relief does."""


LOOKS = {
    "skin": Look((205, 152, 126), 0.55, True, True),
    "lips": Look((176, 98, 88), 0.4, True, True),
    "sclera": Look((232, 224, 216), 0.15, True),
    "iris": Look((108, 93, 62), 0.15, True),
    "pupil": Look((8, 8, 9), 0.15, True),
    "teeth": Look((226, 214, 192), 0.3),
    "gums": Look((178, 92, 88), 0.4),
    "tongue": Look((186, 98, 94), 0.45),
    "mouth": Look((120, 52, 48), 0.5),
}
OTHER = Look((170, 165, 160), 0.5)


def look_of(material: str, track: Track) -> Look:
    """A material's look on a track: skin and lips follow its complexion."""
    look = LOOKS.get(material, OTHER)
    if track.appearance is None or track.appearance.skin is None or material not in ("skin", "lips"):
        return look
    share = np.array(linear(track.appearance.skin)) / linear(LOOKS["skin"].colour)
    light = np.clip(np.array(linear(look.colour)) * share, 0, 1)
    colour = np.rint(255 * encoded(light))
    return replace(look, colour=tuple(colour.astype(int).tolist()))


def linear(colour: tuple[int, int, int]) -> list[float]:
    """sRGB bytes to linear light in [0, 1]."""
    return decoded(np.array(colour) / 255).round(6).tolist()


def texture_png(track: Track, head: HeadArrays) -> bytes | None:
    """The track's albedo as a PNG file, None where it has none or the head no UV to wear it by."""
    if track.appearance is None or track.appearance.albedo is None or not len(head.uv):
        return None
    albedo = track.appearance.albedo
    if albedo.dtype != np.uint8 or albedo.ndim != 3 or albedo.shape[2] != 3 or 0 in albedo.shape:
        raise ShapeError(f"the track's albedo is {albedo.dtype} {list(albedo.shape)}, wanted uint8 [H, W, 3]")
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(albedo).save(stream, "PNG", compress_level=PNG_LEVEL)
    return stream.getvalue()
