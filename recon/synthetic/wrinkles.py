"""Folds, furrows and wrinkles of made faces, as heights on the sheet (`recon.detail.sheet`).

Some lie in the skin of the old, all grow where an expression presses the skin together across them.
Where they run is anatomy; paths are laid between landmarks, and lengths on the sheet are in mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from flame_tools.kept import kept_with_head
from flame_tools.types import HeadArrays
from recon.detail.sheet import COLUMNS, ROWS, texels_of

STEP_MM = np.array([0.507, 0.651])  # a texel's usual width and height
DEEPEST_MM = 2.0  # of one line
DEEPER = 1.4  # all of them
_SPACING_MM = 0.8  # between the points of a path
_FINENESS, _KEPT = 2, 2  # steps of noise's width a doubling, and pieces of each
_REACH, _FOLDED = 5.0, 8.0  # widths beside a path that it reaches; a fold


@dataclass(frozen=True)
class Furrow:
    """One line in the skin."""

    path: np.ndarray  # [n, 2] mm right and down on the sheet
    depth: float  # mm at rest
    gain: float  # mm more for a compression of 1 across it
    width: float  # mm, standard deviation
    bulge: float  # height of the ridges beside it, of its depth
    fold: float = 0.0  # by how much the side on the path's left overhangs, of its depth


@dataclass(frozen=True)
class Relief:
    """Heights of a face, mm."""

    shown: np.ndarray  # [ROWS, COLUMNS] with its expression
    rest: np.ndarray  # [ROWS, COLUMNS] without


@dataclass(frozen=True)
class Places:
    """Where the 468 landmarks lie on the sheet, mm."""

    marks: np.ndarray  # [468, 2]

    def of(self, *ids: int) -> np.ndarray:
        return self.marks[list(ids)]

    def across(self, points: np.ndarray) -> np.ndarray:
        """Points mirrored to the other half of the face."""
        return np.stack([2 * self.marks[1, 0] - points[:, 0], points[:, 1]], 1)


@kept_with_head
def places_of(head: HeadArrays) -> Places:
    return Places(texels_of(head, range(468)) * STEP_MM)


def random_relief(head: HeadArrays, strain: np.ndarray, age: float, rng: np.random.Generator) -> Relief:
    """The wrinkles of somebody of `age` in [0, 1], whose expression pulls the skin by `strain` [3, ROWS, COLUMNS]."""
    places = places_of(head)
    shown, rest = (np.zeros((ROWS, COLUMNS), np.float32) for _ in range(2))
    for furrow in random_furrows(places, age, rng):
        _press(furrow, strain, shown, rest, rng)
    fine = _crepe(places, age, rng)
    return Relief(shown + fine, rest + fine)


class _Drawn:
    """The lines of one face as they are drawn; the gain of each is its own: some faces fold where others do not."""

    def __init__(self, places: Places, age: float, rng: np.random.Generator):
        self.places, self.age, self.rng, self.lines = places, age, rng, []
        self.alive = rng.uniform(0.4, 1.3)  # how readily this skin folds

    def add(
        self,
        path,  # [n, 2] mm, on the right half of the face
        deep: float,  # mm in the old
        gain: float,  # mm a unit of compression
        width: tuple[float, float],  # mm
        *,
        chance: float = 1.0,
        sides: bool = False,  # one on each side
        fold: float = 0.0,
        bulge: float = 0.35,
    ) -> None:
        rng = self.rng
        for side in range(1 + sides):
            if rng.uniform() > chance:
                continue
            own = _wavy(np.asarray(path, float), rng)
            depth, gain_here = deep * self.age * rng.gamma(2.0, 0.5), gain * self.alive * rng.uniform(0.3, 1.7)
            self.lines.append(
                Furrow(
                    self.places.across(own) if side else own,
                    DEEPER * depth,
                    DEEPER * gain_here,
                    rng.uniform(*width),
                    bulge * rng.uniform(0, 2),
                    fold * rng.uniform(0.3, 1.5) * (-1 if side else 1),
                )
            )


def random_furrows(places: Places, age: float, rng: np.random.Generator) -> list[Furrow]:
    """The lines of one face."""
    drawn = _Drawn(places, age, rng)
    for draw in (_brow_lines, _eye_lines, _cheek_folds, _mouth_lines, _scars):
        draw(drawn, places, rng)
    return drawn.lines


def _brow_lines(drawn: _Drawn, places: Places, rng: np.random.Generator) -> None:
    """Across the forehead, between the brows, across the root of the nose."""
    low = places.of(70, 63, 105, 66, 107, 9, 336, 296, 334, 293, 300)
    high = places.of(54, 103, 67, 109, 10, 10, 10, 338, 297, 332, 284)
    deep = rng.uniform(0, 1.3)  # lines of a forehead are alike
    for share in rng.uniform(0.1, 0.4) + np.arange(rng.integers(0, 7)) * rng.uniform(0.1, 0.2):
        start, end = np.sort(rng.uniform(0, 10, 2)) if rng.uniform() < 0.5 else (rng.uniform(0, 3), rng.uniform(7, 10))
        if end - start > 1.5:
            line = _along(low + share * (high - low), np.linspace(start, end, 9))
            drawn.add(line, 0.6 * deep, 6 * deep, (0.6, 1.3))
    for x in rng.choice([-5.5, 5.5, 0.5, -8, 8, -3], rng.integers(1, 4), replace=False):
        x, lean, top, bottom = x + rng.normal(0, 1), rng.normal(0, 1.8), rng.uniform(-9, -1), rng.uniform(3, 9)
        line = _from(places.marks[9], (x + lean, top), (x, 2), (0.8 * x, bottom))
        drawn.add(line, 0.4, 4.5, (0.5, 1.2), chance=0.85)
    for y in rng.uniform(-3, 6, rng.integers(0, 3)):
        drawn.add(_from(places.marks[168], (-7, y + 1), (0, y), (7, y + 1)), 0.22, 3.0, (0.5, 1.0))


def _eye_lines(drawn: _Drawn, places: Places, rng: np.random.Generator) -> None:
    """Crow's feet, and what lies under the eyes: creases, bags, the trough beside the nose."""
    for angle in np.radians(rng.uniform(-45, 50, rng.integers(2, 6))):
        begin, length, curl = rng.uniform(3, 8), rng.uniform(6, 22), rng.normal(0, 0.12)
        t = np.linspace(0, 1, 5)
        away = begin + length * t
        ray = np.stack([-np.cos(angle) * away, np.sin(angle) * away + curl * length * t * t], 1)
        drawn.add(places.marks[130] + ray, 0.22, 3.0, (0.4, 0.9), sides=True, chance=0.85)
    lid = places.of(25, 110, 24, 23, 22, 26, 112)
    for lower in (rng.uniform(2.0, 4.5), rng.uniform(5, 8), rng.uniform(8, 12)):
        a, b = np.sort(rng.uniform(0, 6, 2)) if rng.uniform() < 0.6 else (0.5, 5.5)
        if b - a > 1.5:
            sag = np.stack([np.zeros(7), lower * np.sin(np.linspace(0.5, 2.4, 7))], 1)
            line = _along(lid, np.linspace(a, b, 7)) + sag
            drawn.add(line, 0.25, 2.0, (0.5, 1.6), sides=True, chance=0.55, bulge=0.7)
    if rng.uniform() < 0.5:
        line = _from(places.marks[112], (0, 2), (-6, 8), (-16, 12 + rng.normal(0, 2)))
        drawn.add(line, 0.5, 1.5, (1.2, 2.8), sides=True, chance=0.9, bulge=0.5)


def _cheek_folds(drawn: _Drawn, places: Places, rng: np.random.Generator) -> None:
    """From the nose past the corners of the mouth, where the cheek hangs over, and what a smile folds outside."""
    beside = places.of(217, 126, 129, 203, 206, 216, 57, 43)
    beside = beside - np.array([2, 1, *[rng.normal(1, 3.5)] * 6])[:, None] * [1, 0]
    whole = _along(beside, np.linspace(rng.uniform(0, 2.5), rng.uniform(4.2, 7), 12))
    drawn.add(whole, 0.9, 5.0, (0.6, 2.4), sides=True, chance=0.92, fold=0.8, bulge=0.3)
    for out in rng.uniform(5, 16, rng.integers(0, 4)):
        line = _along(beside, np.linspace(rng.uniform(2.2, 3.5), rng.uniform(4.5, 6), 6)) - [out, rng.normal(0, 2)]
        drawn.add(line, 0.3, 3.0, (0.5, 1.6), sides=True, chance=0.8)


def _mouth_lines(drawn: _Drawn, places: Places, rng: np.random.Generator) -> None:
    """Down from the corners of the mouth and across them, under the lower lip, above the upper."""
    line = _from(places.marks[61], (-1, 1), (-3, 7), (-3 + rng.normal(0, 2), rng.uniform(10, 20)))
    drawn.add(line, 0.7, 2.0, (0.7, 1.8), sides=True, chance=0.6, fold=0.4)
    line = _from(places.marks[61], (-1.5, -2.5), (-2.0, 0), (-1.5, 3))
    drawn.add(line, 0.3, 2.0, (0.6, 1.4), sides=True, chance=0.4)
    under, chin = places.of(18, 200)
    half, y = rng.uniform(8, 18), rng.uniform(0.4, 1.1)
    line = _from(under + y * (chin - under), (-half, 2), (-half / 2, 0.5), (0, 0), (half / 2, 0.5), (half, 2))
    drawn.add(line, 0.5, 3.0, (1.0, 2.6), chance=0.7)
    if rng.uniform() < 0.25 + 0.5 * drawn.age:
        top, bottom = places.of(92, 165, 167, 164, 393, 391, 322), places.of(40, 39, 37, 0, 267, 269, 270)
        for at in np.arange(0.3, 5.8, rng.uniform(0.3, 0.9)):
            (a,), (b,) = (_along(edge, [np.clip(at + rng.normal(0, 0.1), 0, 6)]) for edge in (top, bottom))
            drawn.add([a + rng.uniform(0, 0.6) * (b - a), b], 0.16, 1.5, (0.35, 0.7), chance=0.8)


def _scars(drawn: _Drawn, places: Places, rng: np.random.Generator) -> None:
    """Anything anywhere: scars, and folds of sleep."""
    for _ in range(rng.poisson(0.7)):
        way, length, curl = rng.uniform(0, 2 * np.pi), rng.uniform(5, 25), rng.normal(0, 0.25)
        t = np.linspace(0, 1, 7)[:, None]
        ahead, aside = np.array([np.cos(way), np.sin(way)]), np.array([-np.sin(way), np.cos(way)])
        line = rng.uniform((20, 15), (150, 160)) + length * (t * ahead + curl * t * t * aside)
        drawn.add(line, 0.4, 1.0, (0.5, 1.6))


def _from(point: np.ndarray, *ways: tuple[float, float]) -> np.ndarray:
    """Points [n, 2] so far right of and below one."""
    return point + np.array(ways)


def _along(line: np.ndarray, at) -> np.ndarray:
    """Points of a polyline [n, 2] at numbers in [0, n - 1]."""
    return np.stack([np.interp(at, np.arange(len(line)), line[:, k]) for k in (0, 1)], 1)


def _wavy(path: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The path as a smooth curve of close points, shifted and a little unsteady."""
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    count = max(5, int(length / _SPACING_MM))
    dense = _along(path, np.linspace(0, len(path) - 1, count))
    sway = rng.normal(size=(count + 16, 2))
    sway = gaussian_filter(sway, (5, 0))[8 : 8 + count] * rng.uniform(0, 2.5)
    smooth = gaussian_filter(dense, (count / (3 * len(path)), 0), mode="nearest")
    return smooth + sway + rng.normal(0, 0.8, 2)


def _press(furrow: Furrow, strain: np.ndarray, shown: np.ndarray, rest: np.ndarray, rng: np.random.Generator) -> None:
    """Add a furrow to both maps."""
    path = furrow.path
    reach = (_FOLDED if furrow.fold else _REACH) * furrow.width
    low = np.floor((path.min(0) - reach) / STEP_MM).astype(int).clip(0)
    high = np.ceil((path.max(0) + reach) / STEP_MM).astype(int).clip(None, (COLUMNS - 1, ROWS - 1)) + 1
    if (high <= low).any():
        return
    way = np.gradient(path, axis=0)
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    x, y = (np.arange(a, b) * step for a, b, step in zip(low, high, STEP_MM, strict=True))
    away = ((x[None, :, None] - path[:, 0]) ** 2 + (y[:, None, None] - path[:, 1]) ** 2).astype(np.float32)
    near = away.argmin(-1)
    d = np.sqrt(np.take_along_axis(away, near[..., None], -1)[..., 0]) / furrow.width
    side = (x[None, :] - path[near, 0]) * -way[near, 1] + (y[:, None] - path[near, 1]) * way[near, 0]
    side = side / furrow.width

    count = len(path)
    taper = np.clip(np.minimum(np.arange(count), np.arange(count)[::-1]) / max(0.2 * count, 1), 0, 1)
    uneven = gaussian_filter(rng.normal(size=count), max(count / 10, 1.5), mode="nearest")
    share = np.sqrt(taper) * np.clip(1 + 0.35 * uneven / max(uneven.std(), 1e-6), 0.1, 2.2)
    row, column = (
        np.clip(np.rint(path[:, k] / STEP_MM[k]).astype(int), 0, n - 1) for k, n in ((1, ROWS), (0, COLUMNS))
    )
    e = strain[:, row, column]
    pressed = -(e[0] * way[:, 1] ** 2 + e[1] * way[:, 0] ** 2 - 2 * e[2] * way[:, 0] * way[:, 1])
    pressed = gaussian_filter(pressed, 4, mode="nearest")
    still = furrow.depth * share
    moved = (
        still * np.clip(1 + 4 * np.minimum(pressed, 0), 0.1, 1) + furrow.gain * np.maximum(pressed - 0.01, 0) * share
    )
    moved, still = (DEEPEST_MM * np.tanh(depth / DEEPEST_MM) for depth in (moved, still))

    profile = -np.exp(-0.5 * d * d) + furrow.bulge * np.exp(-0.5 * ((d - 2.3) / 1.1) ** 2)
    if furrow.fold:
        profile += furrow.fold * np.tanh(side) * np.exp(-0.5 * (d / 2.8) ** 2)
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    shown[box] += moved[near] * profile
    rest[box] += still[near] * profile


def noise(rng: np.random.Generator, *size_mm: float) -> np.ndarray:
    """[ROWS, COLUMNS] smooth noise of variance 1; its width in mm, or its height and width.

    A piece of one of a few that are kept.
    """
    tall, wide = (
        round(float(np.clip(round(_FINENESS * np.log2(s)), -2 * _FINENESS, 6 * _FINENESS))) for s in (size_mm * 2)[:2]
    )
    values = _sheet_of_noise(tall, wide, int(rng.integers(_KEPT)))
    row, column = (int(rng.integers(0, n - m)) for n, m in zip(values.shape, (ROWS, COLUMNS), strict=True))
    piece = values[row : row + ROWS, column : column + COLUMNS]
    return piece[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]


@lru_cache(maxsize=128)
def _sheet_of_noise(tall: int, wide: int, number: int) -> np.ndarray:
    """Twice as high and wide; its height and width 2^(number / _FINENESS) mm."""
    rng = np.random.default_rng((tall + 1000, wide + 1000, number))
    down, across = (2 ** (n / _FINENESS) / s for n, s in zip((tall, wide), STEP_MM[::-1], strict=True))
    coarse = [max(1, int(s / 2)) for s in (down, across)]
    shape = [-(-2 * n // c) + 2 for n, c in zip((ROWS, COLUMNS), coarse, strict=True)]
    values = rng.standard_normal(shape, np.float32)
    values = gaussian_filter(values, (down / coarse[0], across / coarse[1]), mode="wrap")
    values /= max(float(values.std()), 1e-6)
    return zoom(values, coarse, order=1, grid_mode=True, mode="nearest") if max(coarse) > 1 else values


def _crepe(places: Places, age: float, rng: np.random.Generator) -> np.ndarray:
    """[ROWS, COLUMNS] mm: fine lines without number under the eyes and on the cheeks, and an uneven chin."""
    height = np.zeros((ROWS, COLUMNS), np.float32)
    y, x = np.mgrid[:ROWS, :COLUMNS] * STEP_MM[::-1, None, None]

    def around(points: np.ndarray, reach: float) -> np.ndarray:
        both = np.concatenate([points, places.across(points)])
        return sum(np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / reach**2) for a, b in both).clip(0, 1)

    if rng.uniform() < 0.6:
        lines = noise(rng, rng.uniform(0.5, 1.0), rng.uniform(3, 8)) + 0.5 * noise(rng, 3.0, 0.8)
        height += rng.uniform(0, 0.09) * age * lines * around(places.of(230, 119, 228), 7.0)
    if rng.uniform() < 0.4:
        lines = noise(rng, rng.uniform(3, 9), rng.uniform(0.6, 1.8))
        height += rng.uniform(0, 0.16) * age * lines * around(places.of(207, 187, 214), 10.0)
    if rng.uniform() < 0.25:
        height += rng.uniform(0, 0.2) * noise(rng, rng.uniform(1.2, 2.2)) * around(places.of(200, 208), 6.0)
    return height.astype(np.float32)
