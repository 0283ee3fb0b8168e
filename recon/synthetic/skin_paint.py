"""What colours a made face and is no relief: complexion, spots, freckles, brows, lashes, lips, beards, hair, frames.

Much of it looks like a furrow to one who sees brightness alone; whoever reads furrows has to be shown it. Maps lie on
the sheet (`recon.detail.sheet`); colours are linear.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, map_coordinates

from flame_tools.kept import kept_with_head
from flame_tools.types import HeadArrays
from recon.detail.sheet import ATLAS, COLUMNS, LEFT, ROWS, TOP, sheet_of
from recon.synthetic.people import COMPLEXIONS
from recon.synthetic.wrinkles import STEP_MM, Places, noise, places_of
from recon.texture.face_area import distance
from render.kept_looks import look_of
from render.materials import srgb_to_linear
from render.paint import SKIN

SPOTS_MM = ((0.12, 18.0), (0.06, 5.0), (0.05, 1.6), (0.035, 0.6))  # strength, and width
_STREAKS, _BANK = 12, 512
_BEARD = (137, 147, 187, 207, 216, 92, 165, 167, 164)
_LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)
_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)


def random_paint(
    head: HeadArrays,
    astray: np.ndarray,  # [2, ROWS, COLUMNS] texels down and right from where the fit has a feature to where it is
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Linear colours [ROWS, COLUMNS, 3] of a skin with all that lies on it, and how much [ROWS, COLUMNS] covers it."""
    places, (brows, beard, lips, lashes) = places_of(head), _areas(head)
    which = rng.uniform(0, len(COMPLEXIONS) - 1)
    tone = [np.interp(which, range(len(COMPLEXIONS)), column) for column in np.transpose(COMPLEXIONS)]
    tone = np.array(tone) * rng.normal(1, 0.03, 3)
    skin = srgb_to_linear(np.clip(tone, 15, 245) / 255)
    blood, melanin = np.array([-0.05, -1.0, -0.8]), np.array([-0.55, -0.85, -1.25])
    dark = sum(rng.uniform(0.3, 1.5) * share * noise(rng, width) for share, width in SPOTS_MM)
    red = 0.5 * sum(rng.uniform(0.3, 1.5) * share * noise(rng, width) for share, width in SPOTS_MM[:3])
    dark += _dots(rng) + rng.uniform(0, 0.4) * _around(places, (230, 121), rng.uniform(5, 8))  # rings under the eyes
    grid = np.mgrid[:ROWS, :COLUMNS] + astray

    def moved(mask: np.ndarray) -> np.ndarray:
        return map_coordinates(mask, grid, order=1, mode="nearest")

    red += rng.uniform(0.15, 0.7) * np.clip(moved(lips), 0, 1) + rng.uniform(0, 0.3) * _around(places, (205, 50), 12.0)
    dark += 0.15 * rng.uniform(0, 1) * moved(lips) * noise(rng, 4.0, 0.7)
    colours = np.exp(np.log(skin) + dark[..., None] * melanin * 0.8 + red[..., None] * blood)

    hair = srgb_to_linear(np.array([(30, 24, 22), (62, 44, 32), (110, 80, 50), (150, 140, 130)][rng.integers(4)]) / 255)
    cover = np.zeros((ROWS, COLUMNS), np.float32)

    def over(mask: np.ndarray, colour: np.ndarray) -> None:
        nonlocal colours, cover
        colours = colours * (1 - mask[..., None]) + colour * mask[..., None]
        cover = 1 - (1 - cover) * (1 - mask)

    bushy = gaussian_filter(moved(brows), rng.uniform(0.8, 3.5))
    over(np.clip(bushy * rng.uniform(0.5, 1.3) * (0.75 + 0.45 * _streaks(rng)), 0, 1), hair)
    over(np.clip(moved(lashes) * rng.uniform(0.3, 1.0), 0, 1), hair * 0.6)
    kind = rng.uniform()
    if kind < 0.35:
        shape = moved(beard) * np.clip(0.7 + rng.uniform(0.2, 0.6) * noise(rng, 14.0), 0, 1)
        if kind < 0.2:  # stubble: a shade with dots in it
            mask = shape * rng.uniform(0.1, 0.6) * np.clip(0.7 + 0.5 * noise(rng, 0.5), 0, 1.5)
        else:
            mask = shape * rng.uniform(0.6, 1.0) * np.clip(0.8 + 0.5 * _streaks(rng), 0, 1)
        over(np.clip(mask, 0, 1).astype(np.float32), hair * np.exp(0.5 * _streaks(rng))[..., None])
    if rng.uniform() < 0.3:
        over(_strands(rng), hair)
    if rng.uniform() < 0.25:  # a fringe
        y = np.arange(ROWS)[:, None] * STEP_MM[1]
        edge = rng.uniform(4, 25) + 4 * noise(rng, 8.0) + 3 * _streaks(rng)
        over(np.clip((edge - y) / 3, 0, 1).astype(np.float32), hair * np.exp(0.5 * _streaks(rng))[..., None])
    if rng.uniform() < 0.25:
        frames, lenses = _glasses(places, rng)
        glare = np.clip(_streaks(rng) - rng.uniform(1, 3), 0, 1) * rng.uniform(0, 0.5) * lenses
        colours = colours * (1 - rng.uniform(0, 0.25) * lenses)[..., None] + 0.5 * glare[..., None]
        tones = np.array([(0.01, 0.01, 0.01), (0.05, 0.03, 0.02), (0.3, 0.3, 0.3), (0.35, 0.2, 0.08)])
        frame = tones[rng.integers(4)] * np.exp(rng.uniform(0, 1.2) * noise(rng, 6.0))[..., None]
        over(frames * rng.uniform(0.5, 1.0), frame)
        below = np.roll(frames, rng.integers(2, 10), 0)
        colours = colours * (1 - rng.uniform(0, 0.4) * gaussian_filter(below, 1.5))[..., None]
    return np.clip(colours, 0.001, 1).astype(np.float32), np.clip(cover, 0, 1)


@kept_with_head
def _areas(head: HeadArrays) -> tuple[np.ndarray, ...]:
    """[ROWS, COLUMNS] each in [0, 1]: brows, where beards grow, lips, and the painted lines of the lashes."""
    places, sheet = places_of(head), sheet_of(head)
    brow = places.of(*_BROW)
    brows = np.maximum(_polygon(brow), _polygon(places.across(brow)))
    half = places.of(*_BEARD)
    low = np.array([[places.marks[137, 0], 400.0]])
    beard = _polygon(np.concatenate([low, half, places.across(half)[::-1], places.across(low)]))
    lips = _polygon(places.of(*_LIPS))
    beard = gaussian_filter(beard * (1 - lips), 4)
    painted = look_of(head).skin_texture
    light = np.zeros((ROWS, COLUMNS), np.float32)
    if painted is not None:
        small = np.asarray(Image.fromarray(painted).resize((ATLAS, ATLAS), Image.Resampling.BOX))
        light = 1 - (small[TOP : TOP + ROWS, LEFT : LEFT + COLUMNS] / np.array(SKIN)).min(-1)
    margins = [head.regions[n] for n in head.regions if n.endswith("lid_margin")]
    near = (
        distance(head.v_template, head.v_template[np.concatenate(margins)])
        if margins
        else np.full(len(head.v_template), 1.0)
    )
    lashes = np.clip(1.6 * light, 0, 1) * sheet.spread((near < 0.006).astype(np.float32))
    return brows, beard, gaussian_filter(lips, 1.0), lashes


def _polygon(points_mm: np.ndarray) -> np.ndarray:
    image = Image.new("L", (COLUMNS, ROWS))
    ImageDraw.Draw(image).polygon([tuple(p) for p in points_mm / STEP_MM], fill=255)
    return np.asarray(image, np.float32) / 255


def _around(places: Places, ids: tuple[int, ...], reach_mm: float) -> np.ndarray:
    y, x = np.mgrid[:ROWS, :COLUMNS] * STEP_MM[::-1, None, None]
    points = places.of(*ids)
    both = np.concatenate([points, places.across(points)])
    return sum(np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / reach_mm**2) for a, b in both).clip(0, 1)


def _dots(rng: np.random.Generator) -> np.ndarray:
    """[ROWS, COLUMNS] darkness: moles, freckles, pimples, pores."""
    found = np.zeros((ROWS, COLUMNS), np.float32)
    some = ((rng.integers(0, 8), 0.6, (0.5, 1.6)), (rng.choice([0, 0, 60, 300]), 0.25, (0.3, 0.9)))
    for count, strength, sizes in some:
        for _ in range(count):
            size = rng.uniform(*sizes)
            y, x = rng.uniform(0, ROWS), rng.uniform(0, COLUMNS)
            reach = int(4 * size / STEP_MM[0]) + 2
            rows, columns = (slice(max(int(c) - reach, 0), int(c) + reach + 1) for c in (y, x))
            dy = (np.arange(ROWS)[rows] - y)[:, None] * STEP_MM[1]
            dx = (np.arange(COLUMNS)[columns] - x)[None] * STEP_MM[0]
            found[rows, columns] += strength * rng.uniform(0.3, 1.3) * np.exp(-(((dy**2 + dx**2) / size**2) ** 1.5))
    return found


@lru_cache(maxsize=1)
def _bank() -> np.ndarray:
    """[_STREAKS, _BANK, _BANK] hair that lies in as many directions, variance 1."""
    rng, side = np.random.default_rng(7), _BANK * 3 // 2
    found = []
    for k in range(_STREAKS):
        values = gaussian_filter(rng.standard_normal((side, side), np.float32), (0.7, 7))
        values += 0.8 * gaussian_filter(rng.standard_normal((side, side), np.float32), (2.0, 12)) * 2
        turned = Image.fromarray(values / values.std()).rotate(180 / _STREAKS * k, Image.Resampling.BILINEAR)
        cut = (side - _BANK) // 2
        found.append(np.asarray(turned)[cut : cut + _BANK, cut : cut + _BANK])
    return np.stack(found)


def _streaks(rng: np.random.Generator) -> np.ndarray:
    row, column = rng.integers(0, _BANK - ROWS), rng.integers(0, _BANK - COLUMNS)
    return _bank()[rng.integers(_STREAKS), row : row + ROWS, column : column + COLUMNS]


def _drawn(lines: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """[ROWS, COLUMNS] lines of points in mm and their widths in mm, without jags."""
    image = Image.new("L", (2 * COLUMNS, 2 * ROWS))
    draw = ImageDraw.Draw(image)
    for points, width in lines:
        draw.line(
            [tuple(p) for p in points / STEP_MM * 2],
            fill=255,
            width=max(1, round(width / STEP_MM[0] * 2)),
            joint="curve",
        )
    return np.asarray(image.resize((COLUMNS, ROWS), Image.Resampling.BOX), np.float32) / 255


def _strands(rng: np.random.Generator) -> np.ndarray:
    """Hair that hangs over the face."""
    lines, t = [], np.linspace(0, 1, 12)[:, None]
    for _ in range(rng.integers(1, 14)):
        start = np.array([rng.uniform(0, 170), rng.uniform(0, 20)])
        way, bend = rng.normal((0, 45), (25, 20)), rng.normal(0, 15, 2)
        lines.append((start + way * t + bend * t * t, rng.uniform(0.2, 1.0)))
    return _drawn(lines) * np.float32(rng.uniform(0.4, 1.0))


def _glasses(places: Places, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """[ROWS, COLUMNS] each: the frames, sometimes heavier above, and the lenses."""
    x, y = places.of(159, 145).mean(0)
    y += rng.uniform(-1, 5)
    wide, tall, square = rng.uniform(21, 28), rng.uniform(14, 24), rng.uniform(0.55, 1.0)
    a = np.linspace(0, 2 * np.pi, 60)
    ring = np.stack([np.sign(f) * np.abs(f) ** square for f in (np.cos(a), np.sin(a))], 1) * (wide, tall) + (x, y)
    thick = rng.uniform(0.8, 3.5)
    above = thick * rng.choice([1, 1, 2])
    bridge = np.array([[x + wide, y - 3]])
    temple = np.array([[x - wide, y - 5], [x - wide - 40, y - 7]])
    parts = [(np.concatenate([bridge, places.across(bridge)]), thick)]
    for side in (lambda points: points, places.across):
        parts += [(side(ring), thick), (side(ring[30:]), above), (side(temple), above)]
    return _drawn(parts), np.maximum(_polygon(ring), _polygon(places.across(ring)))
