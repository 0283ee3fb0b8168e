"""What no photo of a face shows: the plain head in a person's skin tone and hair colour."""

from __future__ import annotations

import numpy as np

from flame_tools.types import Camera, HeadArrays
from readers.sampling import bilinear
from recon.surface import camera_place, unit, vertex_normals
from recon.uv_map import UvMap
from render.camera import project
from render.materials import MATERIALS, linear_to_srgb, look_of, srgb_to_linear
from render.paint import HAIR, SKIN

ABOVE_HAIRLINE_M = (0.02, 0.07)  # where hair is looked at; nearer the hairlines of people differ
_SKIN, _HAIR = np.array(SKIN) / 255, np.array(HAIR) / 255


def hair_colour(
    image: np.ndarray,  # [H, W, 3] uint8
    head: HeadArrays,
    vertices: np.ndarray,  # [V, 3] posed, world
    camera: Camera,
    tone: np.ndarray,  # [3] linear skin colour
) -> np.ndarray:
    """[3] linear: the colour of what grows, or sits, above the forehead; darkened skin where that is bare."""
    scalp = np.asarray(head.regions.get("scalp", ()), np.int64)
    front = scalp[head.v_template[scalp, 2] > 0] if len(scalp) else scalp
    if not len(front):
        return 0.6 * tone
    middle = front[np.abs(head.v_template[front, 0]) < 0.02]
    above = head.v_template[front, 1] - (head.v_template[middle, 1].min() if len(middle) else 0.0)
    front = front[(above > ABOVE_HAIRLINE_M[0]) & (above < ABOVE_HAIRLINE_M[1])]
    normals, points = unit(vertex_normals(vertices, head.faces))[front], vertices[front]
    facing = (normals * unit(camera_place(camera) - points)).sum(1)
    pixels = project(points, camera)[:, :2]
    inside = ((pixels > 2) & (pixels < np.array(camera.size) - 2)).all(1)
    chosen = pixels[(facing > 0.3) & inside]
    if len(chosen) < 10:
        return 0.6 * tone
    colours = srgb_to_linear(bilinear(image, chosen[:, 0], chosen[:, 1]) / 255)
    colour = np.median(colours, 0)
    return np.minimum(colour, 0.75 * tone)


def bare_albedo(head: HeadArrays, atlas: UvMap, tone: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """[size, size, 3] linear float32: the default head's paint in another skin tone and hair colour [3], linear.

    Teeth, tongue, gums and eyes take their default colours; the gaps of the atlas take the skin's.
    """
    from PIL import Image

    table = [srgb_to_linear(np.array(MATERIALS.get(n, MATERIALS["other"]).colour) / 255) for n in head.materials]
    plain = np.array([*table, tone])[atlas.material]
    painted = look_of(head).skin_texture
    if painted is not None:
        if len(painted) != atlas.size:
            painted = np.asarray(Image.fromarray(painted).resize((atlas.size, atlas.size), Image.Resampling.BILINEAR))
        paint = painted.reshape(-1, 3)[atlas.texels] / np.float32(255)
        scalp = np.zeros(len(head.v_template))
        scalp[np.asarray(head.regions.get("scalp", ()), np.int64)] = 1
        near = atlas.spread(_spread(scalp, head.faces)) > 0.05
        share = np.clip((_SKIN[0] - paint[:, 0]) / (_SKIN[0] - _HAIR[0]), 0, 1) * near
        skin = linear_to_srgb(tone) * np.where(near[:, None], 1, paint / _SKIN)
        mixed = skin * (1 - share[:, None]) + linear_to_srgb(hair) * share[:, None]
        plain.reshape(-1, 3)[atlas.texels] = srgb_to_linear(np.clip(mixed, 0, 1))
    return plain.astype(np.float32)


def _spread(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertex values [V], each raised to its neighbours' largest, three times."""
    for _ in range(3):
        most = values[faces].max(1)
        values = values.copy()
        for k in range(3):
            np.maximum.at(values, faces[:, k], most)
    return values
