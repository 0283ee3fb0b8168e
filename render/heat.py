"""Values at vertices as colours on a lit head: where two surfaces differ, what moves, what carries weight."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import Camera
from render.kept_looks import look_of
from render.look import Look
from render.materials import material_tables, srgb_to_linear
from render.preview import draw

# from nothing to much: pale to dark red; from negative to positive: blue over pale to red. sRGB
HEAT = ((222, 221, 216), (248, 206, 120), (244, 158, 74), (214, 74, 46), (128, 12, 32))
SIGNED = ((24, 62, 140), (104, 158, 208), (222, 221, 216), (232, 136, 98), (158, 16, 36))
UNKNOWN = (92, 98, 106)


def heat_colours(
    values: np.ndarray,  # [...]; NaN where unknown
    limit: float,  # the value of the last colour; more is drawn as this
    *,
    signed: bool = False,  # from -limit to limit, else from 0
) -> np.ndarray:  # [..., 3] uint8 sRGB
    """The colour of each value."""
    if not (np.isfinite(limit) and limit > 0):
        raise ShapeError(f"limit is {limit}, wanted a positive number in the unit of the values")
    values = np.asarray(values, np.float64)
    anchors = np.array(SIGNED if signed else HEAT, np.float64)
    place = np.nan_to_num((values / limit + 1) / 2 if signed else values / limit)
    stops = np.linspace(0, 1, len(anchors))
    colours = np.stack([np.interp(place, stops, channel) for channel in anchors.T], -1)
    return np.where(np.isnan(values)[..., None], UNKNOWN, np.rint(colours)).astype(np.uint8)


def painted(
    head,  # Head, HeadArrays, Mesh or Look
    colours: np.ndarray,  # [V, 3] uint8 sRGB
) -> Look:
    """The head's look with colours at its vertices in place of skin, eyes and teeth; `draw` takes it as a head."""
    look = look_of(head)
    colours = np.asarray(colours)
    if colours.shape != look.tint.shape or colours.dtype != np.uint8:
        raise ShapeError(f"colours are {colours.dtype} {list(colours.shape)}, wanted uint8 {list(look.tint.shape)}")
    table, ramps = material_tables(["other"] * len(look.table))
    table[:, :3] = 1
    tint = np.ascontiguousarray(srgb_to_linear(colours / 255), np.float32)
    return dataclasses.replace(
        look, table=table, ramps=ramps, tint=tint, balls=(), paint=type(None)
    )  # no skin to paint


def draw_heat(
    head,
    vertices,  # [V, 3] metres, world
    camera: Camera,
    values: np.ndarray,  # [V] in the unit of limit; NaN where unknown
    limit: float,
    *,
    signed: bool = False,
    unit: str = "mm",
    title: str = "",
    **options,  # of draw: background, supersample, wireframe, threads
) -> np.ndarray:  # [H, W, 3] uint8
    """Draw values over a head, with a scale below."""
    picture = draw(painted(head, heat_colours(values, limit, signed=signed)), vertices, camera, **options)
    return _with_scale(picture, limit, signed, unit, title)


def _with_scale(picture, limit, signed, unit, title):
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    if min(height, width) < 96:  # no room to read anything
        return picture
    size = max(10, height // 36)
    wide, tall = max(48, width // 3), max(4, size // 2)
    left, top = size, height - 3 * size - tall // 2
    picture = picture.copy()
    ground = picture[top - size // 2 : top + tall + 2 * size, left // 2 : left + wide + left // 2]
    ground[:] = ground // 5 * 2  # so that the numbers are read over a pale shoulder
    values = np.linspace(-limit if signed else 0, limit, wide)
    picture[top : top + tall, left : left + wide] = heat_colours(values, limit, signed=signed)
    image = Image.fromarray(picture)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    ends = ((left, f"{-limit if signed else 0:g}", "la"), (left + wide, f"{limit:g} {unit}", "ra"))
    for x, text, anchor in ends:
        pen.text((x, top + tall + size // 4), text, (226, 228, 232), font, anchor=anchor)
    if title:
        pen.text((left, size), title, (226, 228, 232), font, anchor="la")
    return np.asarray(image)
