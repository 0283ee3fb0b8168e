"""Faces with known folds as a photo would show them, made on the sheet itself: nothing is rasterised.

A smooth face of a random person, expression and pose; heights on it (`wrinkles`), what lies on the skin (`skin_paint`),
lamps and a sky, light that skin scatters; then a photo's pixels, blur, noise and JPEG, and texels that it does not
show. What the network is told of the geometry is the smooth mesh as a fit would have it: wrong by gentle bumps, its
expression too small, its features some mm astray.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from flame_tools.arkit import to_params
from flame_tools.head import Head
from flame_tools.smooth import smooth_step
from recon.detail.sheet import COLUMNS, ROWS, Sheet, Surface, sheet_of, steps, strain, surface_of
from recon.detail.shown import Shown
from recon.fitting.rotation import rotation_matrix
from recon.synthetic.people import random_person
from recon.synthetic.random_expressions import random_weights
from recon.synthetic.scenes import FACE_HEIGHT_M, random_lights
from recon.synthetic.skin_paint import random_paint
from recon.synthetic.wrinkles import STEP_MM, Relief, noise, random_relief
from recon.texture.posed_view import FACING
from recon.texture.surface import unit
from render.materials import linear_to_srgb, srgb_to_linear

FACE_PX = (130, 1000)  # height of a face in the picture
POSED, SHARED = 6, 8  # people held at a time, and faces made of each
SMOOTH_SHARE = 0.15  # of the faces have no relief at all
WRONG_MM = ((1.2, 22.0), (0.5, 9.0))  # bumps that the fit does not know: how high, how wide
SCATTER_MM = (1.2, 0.6, 0.4)  # how far light wanders in skin: red, green, blue
ASTRAY_MM = 3.0  # how far features lie beside where the fit has them
PORES_MM = 0.02
ASK = 0.2  # of the furrows' depth under full cover is asked for: a beard hides them


@dataclass(frozen=True)
class Folded:
    """A made face: what a photo tells of it, and the truth."""

    shown: Shown
    height: np.ndarray  # [ROWS, COLUMNS] mm
    rest: np.ndarray  # [ROWS, COLUMNS] mm, without the expression
    cover: np.ndarray  # [ROWS, COLUMNS] in [0, 1]: how much hair or frames hide the skin


class FoldedFaces:
    """Faces without end, by seed and number alone. To pose a person takes long: each is folded SHARED times."""

    def __init__(self, head: Head, seed: int):
        self.head, self.seed, self._posed = head, seed, lru_cache(maxsize=POSED)(self._pose)

    def face(self, number: int, **chosen) -> Folded:
        """The face of a number; the same each time. What is `chosen` is of `made_face`."""
        posed = self._posed(number // (POSED * SHARED) * POSED + number % POSED)
        return made_face(self.head, posed, np.random.default_rng((self.seed, 1, number)), **chosen)

    def _pose(self, which: int) -> tuple[Surface, Surface]:
        return random_surfaces(self.head, np.random.default_rng((self.seed, 2, which)))


def made_face(
    head: Head,
    surfaces: tuple[Surface, Surface],  # as `random_surfaces` gives
    rng: np.random.Generator,
    *,
    smooth: bool | None = None,  # without relief; by chance where None
    age: float | None = None,  # 0 to 1.3 likewise
) -> Folded:
    """A posed person with folds in some light, in a photo."""
    sheet, (rest, posed) = sheet_of(head.arrays), surfaces
    wrong = sum(rng.uniform(0, 1) * share * noise(rng, width) for share, width in WRONG_MM)
    fitted = bent(posed, wrong, sheet.covered)
    age = rng.uniform(0, 1.3) if age is None else age
    relief = random_relief(head.arrays, strain(rest, posed), age, rng)
    if rng.uniform() < SMOOTH_SHARE if smooth is None else smooth:
        blank = np.zeros_like(relief.shown)
        relief = Relief(blank, blank)
    astray = np.stack([ASTRAY_MM / s * rng.uniform(0, 1) * noise(rng, 25.0) for s in STEP_MM[::-1]])
    colours, cover = random_paint(head.arrays, astray, rng)
    asked = (1 - (1 - ASK) * cover) * sheet.area
    turn = _pose(rng)
    facing = (posed.normals @ turn.T)[..., 2]
    true = _moved(posed, astray)
    light = _lit(relief.shown * asked, true, turn, sheet, rng)
    height_px = float(np.exp(rng.uniform(*np.log(FACE_PX))))
    picture = _photographed(colours * light + _gloss(relief.shown * asked, true, turn, rng), height_px, rng)
    seen = smooth_step(facing, *FACING).astype(np.float32) * sheet.covered * _hidden(rng)
    scale = np.sqrt(np.clip(facing, 0, 1)) * height_px / FACE_HEIGHT_M
    told = (strain(rest, posed) * rng.uniform(0.3, 1.1)).astype(np.float32)
    shown = Shown(picture, fitted, seen.astype(np.float32), scale.astype(np.float32), told, posed.axes)
    return Folded(_turned(shown, turn), relief.shown * asked, relief.rest * asked, cover)


def random_surfaces(head: Head, rng: np.random.Generator) -> tuple[Surface, Surface]:
    """Somebody at rest, and with an expression."""
    shape = torch.as_tensor(random_person(head.arrays, rng).shape * rng.uniform(0.8, 1.3)).to(head.v_template)
    weights = torch.as_tensor(np.stack([np.zeros(52), random_weights(rng)])).to(head.v_template)
    with torch.no_grad():
        both = head.vertices(to_params(weights, head).replace(shape=shape.expand(2, -1))).numpy().astype(np.float64)
    rest, posed = (surface_of(sheet_of(head.arrays), vertices, head.arrays.faces) for vertices in both)
    return rest, posed


def _moved(surface: Surface, astray: np.ndarray) -> Surface:
    """The surface with its normals shifted by `astray` [2, ROWS, COLUMNS] texels: where the face really is."""
    grid = np.mgrid[:ROWS, :COLUMNS] + astray
    there = np.stack([map_coordinates(surface.normals[..., k], grid, order=1, mode="nearest") for k in range(3)], -1)
    held = np.linalg.norm(there, axis=-1, keepdims=True) > 0.8
    return dataclasses.replace(surface, normals=np.where(held, unit(there), surface.normals).astype(np.float32))


def bent(surface: Surface, height_mm: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """[ROWS, COLUMNS, 3] unit normals of a surface with heights on it."""
    across, down = steps(0.001 * height_mm, covered)
    return unit(surface.normals - across[..., None] * surface.along[0] - down[..., None] * surface.along[1]).astype(
        np.float32
    )


def _pose(rng: np.random.Generator) -> np.ndarray:
    """[3, 3] head to camera's view: x right, y up, z towards it."""
    yaw, pitch, roll = np.radians(rng.normal(0, (20, 9, 5))).clip(-0.9, 0.9)
    turns = (rotation_matrix(np.array(v)) for v in ([0, 0, roll], [0, yaw, 0], [pitch, 0, 0]))
    return np.float32(np.linalg.multi_dot(list(turns)))


def _turned(shown: Shown, turn: np.ndarray) -> Shown:
    """The same with directions in the camera's axes, and nothing told where nothing is seen."""
    held = (shown.seen > 0)[..., None]
    return Shown(
        shown.colours * held, shown.normals @ turn.T * held, shown.seen, shown.scale * held[..., 0],
        shown.strain, shown.axes @ turn.T,
    )  # fmt: skip


def _lit(height: np.ndarray, surface: Surface, turn: np.ndarray, sheet: Sheet, rng: np.random.Generator) -> np.ndarray:
    """[ROWS, COLUMNS, 3] light that leaves white skin."""
    lights, sky = random_lights(rng).packed()
    if rng.uniform() < 0.25:  # a soft, frontal light
        lights[0, :3] = unit(rng.normal((0, 0.3, 1), 0.25))
    pores = rng.uniform(0, 2) * PORES_MM * noise(rng, 0.6) if rng.uniform() < 0.7 else 0.0
    spread = rng.uniform(0.4, 1.3)
    level = gaussian_filter(height, 2.5 / STEP_MM.mean())
    under = np.exp(rng.uniform(np.log(0.3), np.log(4))) * np.clip(level - height, 0, None)
    hollow = np.exp(-under - rng.uniform(0, 0.4) * np.clip(-level, 0, None))
    shade = np.ones((ROWS, COLUMNS), np.float32)
    if rng.uniform() < 0.35:  # something throws a shadow with an edge
        shade = 1 - rng.uniform(0.3, 1) * smooth_step(
            noise(rng, rng.uniform(10, 40)) - rng.normal(0.8, 0.6), 0, rng.uniform(0.02, 0.8)
        )
    open_to = np.where(sheet.covered, sheet.open, 1.0)
    blood = rng.uniform(0, 0.5)  # light between the walls of a furrow comes out redder
    out = np.empty((ROWS, COLUMNS, 3), np.float32)
    for k, far in enumerate(SCATTER_MM):
        normals = bent(surface, gaussian_filter(height + pores, far * spread / STEP_MM[::-1]), sheet.covered) @ turn.T
        light = sky[1, k] + (sky[0, k] - sky[1, k]) * (0.5 + 0.5 * normals[..., 1])
        for i, lamp in enumerate(lights):
            cosine = normals @ lamp[:3]
            soft = 0.5 * (cosine + np.sqrt(cosine**2 + (0.1, 0.06, 0.05)[k] ** 2))
            light = light + lamp[3 + k] * soft * (shade if i == 0 else 1)
        out[..., k] = light * open_to * hollow ** (1 + blood * (k - 1))
    return out


def _gloss(height: np.ndarray, surface: Surface, turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[ROWS, COLUMNS, 1] highlights of oily skin (Blinn 1977)."""
    if rng.uniform() < 0.3:
        return np.zeros((ROWS, COLUMNS, 1), np.float32)
    uneven = height + rng.uniform(0, 3) * PORES_MM * noise(rng, 0.7)
    normals = bent(surface, uneven, np.ones((ROWS, COLUMNS), bool)) @ turn.T
    found = np.zeros((ROWS, COLUMNS), np.float32)
    for strength in (1.0, rng.uniform(0, 0.6)):
        half = unit(unit(rng.normal((0, 0.5, 1), (0.7, 0.4, 0.2))) + np.array([0, 0, 1]))
        found += strength * np.clip(normals @ half, 0, 1) ** rng.uniform(8, 50)
    return (rng.uniform(0, 0.22) * found * np.clip(1 + 0.4 * noise(rng, 6.0), 0, 2))[..., None].astype(np.float32)


def _hidden(rng: np.random.Generator) -> np.ndarray:
    """[ROWS, COLUMNS] in [0, 1]: 0 where something lies before the face."""
    if rng.uniform() < 0.75:
        return np.ones((ROWS, COLUMNS), np.float32)
    return (1 - smooth_step(noise(rng, rng.uniform(12, 30)) - rng.uniform(0.8, 2), 0, 0.05)).astype(np.float32)


def _photographed(light: np.ndarray, height_px: float, rng: np.random.Generator) -> np.ndarray:
    """[ROWS, COLUMNS, 3] linear: what is left of it after lens, sensor, tone curve and JPEG, pixels laid askew."""
    exposed = light * rng.uniform(0.75, 1.15) * 0.75 / max(float(np.percentile(light, 97)), 1e-3)
    gamma = np.exp(rng.normal(0, 0.15))
    picture = (linear_to_srgb(np.clip(exposed, 0, 1)) ** gamma).astype(np.float32)
    if rng.uniform() < 0.08:
        picture = np.repeat(picture.mean(-1, keepdims=True), 3, -1)
    pixel = max(1000 * FACE_HEIGHT_M / height_px, 0.3)  # mm
    blur = pixel * (0.35 + (rng.exponential(0.35) if rng.uniform() < 0.8 else rng.uniform(0.5, 2)))
    picture = gaussian_filter(picture, (blur / STEP_MM[1], blur / STEP_MM[0], 0))
    if rng.uniform() < 0.3:  # phones sharpen
        picture = picture + rng.uniform(0.2, 0.8) * (
            picture - gaussian_filter(picture, (1.5 * pixel / STEP_MM[1], 1.5 * pixel / STEP_MM[0], 0))
        )
    size = np.ceil(np.array([COLUMNS, ROWS]) * STEP_MM / pixel).astype(int) + 2
    slant, corner = np.radians(rng.normal(0, 10)), rng.uniform(0, 1, 2)
    turn = np.array([[np.cos(slant), -np.sin(slant)], [np.sin(slant), np.cos(slant)]])
    into = turn * (pixel / STEP_MM)[:, None]  # picture's pixels to texels
    middle, centre = size / 2 + corner, np.array([COLUMNS, ROWS]) / 2
    shift = centre - into @ middle
    rows = (*into[0], shift[0], *into[1], shift[1])
    back = np.linalg.inv(into)
    shift = middle - back @ centre
    inverse = (*back[0], shift[0], *back[1], shift[1])
    planes = [Image.fromarray(np.ascontiguousarray(picture[..., k])) for k in range(3)]
    taken = np.stack(
        [
            np.asarray(p.transform(tuple(size.tolist()), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR))
            for p in planes
        ],
        -1,
    )
    level = min(rng.exponential(2.0), 12)
    noisy = 255 * taken + level * rng.standard_normal(taken.shape, np.float32)
    image = Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    if rng.uniform() < 0.7:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=int(rng.integers(40, 97)))
        image = Image.open(packed)
    found = np.asarray(image.transform((COLUMNS, ROWS), Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR))
    return srgb_to_linear(found / np.float32(255)).astype(np.float32)
