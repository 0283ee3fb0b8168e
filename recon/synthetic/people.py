"""Made people: an identity of believable size, a complexion, eyes, and a skin that is theirs alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial

import numpy as np

from flame_tools.errors import InputError
from flame_tools.kept import kept_with_head
from flame_tools.surface.nearest import Surface
from flame_tools.types import Embedding, HeadArrays
from render.eyes import eye_texture
from render.look import Look
from render.looks import make_look
from render.materials import linear_to_srgb, srgb_to_linear
from render.paint import SKIN

LIMIT_SD, SPREAD = 2.5, 0.8  # an identity's components are N(0, SPREAD^2), cut at LIMIT_SD * SPREAD
EYES_APART_M = (0.055, 0.072)  # adults' pupils are 51 to 77 mm apart (Dodgson 2004)
JAW_WIDTH_M = (0.115, 0.165)  # across the ends of the 68 landmarks' jaw line
TRIES = 200
# sRGB complexions from dark to light, between which a person's lies
COMPLEXIONS = ((78, 52, 40), (120, 82, 62), (168, 122, 96), (204, 160, 134), (226, 190, 170))
SPOTS = ((0.10, 0.06), (0.06, 0.015), (0.05, 0.004), (0.05, 0.0012))  # strength, and width in shares of the UV square
IRISES = (((70, 46, 30), (96, 60, 34)), ((104, 92, 62), (146, 104, 58)), ((92, 112, 128), (120, 116, 98)))
INSIDE_SD = {"teeth": 0.12, "gums": 0.2, "tongue": 0.25}  # spread of what they reflect, of its logarithm
# Of the 468, the brows' edges in the order of the 68's points 17 to 26: from the right ear to the left.
BROWS_ABOVE = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
BROWS_BELOW = (46, 53, 52, 65, 55, 285, 295, 282, 283, 276)


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist."""

    shape: np.ndarray  # [S] in SD
    complexion: tuple[int, int, int]  # sRGB
    iris: tuple[tuple[int, int, int], tuple[int, int, int]]  # sRGB: the iris, and round the pupil
    brows: float  # in [0, 1]: how much of the painted brows' darkness is left; lashes and hair go with them
    seed: int  # of the skin's spots


def random_person(head: HeadArrays, rng: np.random.Generator) -> Person:
    """Raises InputError for a head on which no face of a human size is drawn."""
    marks = head.landmarks["68"]
    corners = head.faces[marks.faces[[0, 16]]]
    weights = marks.barycentrics[[0, 16], :, None]
    for _ in range(TRIES):
        shape = np.clip(rng.normal(size=head.shapedirs.shape[2]), -LIMIT_SD, LIMIT_SD) * SPREAD
        rest = head.v_template + head.shapedirs @ shape
        eyes = head.J_regressor[3:5] @ rest
        jaw = (rest[corners] * weights).sum(1)
        if _within(eyes, EYES_APART_M) and _within(jaw, JAW_WIDTH_M):
            break
    else:
        raise InputError(f"head {head.id!r} gave no face of a human size in {TRIES} tries; is it in metres?")
    tone = rng.uniform(0, len(COMPLEXIONS) - 1)
    scale = np.arange(len(COMPLEXIONS))
    colour = [float(np.interp(tone, scale, column)) for column in np.transpose(COMPLEXIONS)]
    colour = np.clip(np.array(colour) * rng.normal(1, 0.03, 3), 20, 245)
    return Person(
        shape,
        tuple(int(c) for c in colour.round()),
        IRISES[0 if tone < 2 else int(rng.integers(len(IRISES)))],
        float(rng.uniform(0.45, 1.0)),
        int(rng.integers(1 << 31)),
    )


def look_of_person(head: HeadArrays, person: Person) -> Look:
    """The head's look with this person's skin and eyes; needs a head with UV."""
    look = _look(head)
    skin, eyes = partial(_skin, look, person), eye_texture(*person.iris)
    return dataclasses.replace(look, table=_inside_mouth(look, person), paint=skin, eye_texture=eyes)


def _inside_mouth(look: Look, person: Person) -> np.ndarray:
    """The look's table with this person's teeth, gums and tongue: lighter, darker, redder."""
    rng, table = np.random.default_rng((person.seed, 1)), look.table.copy()
    for name, spread in INSIDE_SD.items():
        if name in look.names:
            table[look.names.index(name), :3] *= np.exp(rng.normal(0, spread) + rng.normal(0, spread / 3, 3))
    table[:, :3] = np.clip(table[:, :3], 0, 0.9)
    return table


@kept_with_head
def _look(head: HeadArrays) -> Look:
    """The head's look, kept with the head, with brows where readers of faces expect them."""
    return make_look(_brows_in_between(head))


def _brows_in_between(head: HeadArrays) -> HeadArrays:
    """The 68 landmarks' brows, along which they are painted, between the upper and lower brow points of the 468.

    The 68 themselves follow the upper edge: painted round those, brows sit up to 4 mm too high for the 468.
    """
    if "468" not in head.landmarks:
        return head
    upper, lower = (
        (head.v_template[head.faces[faces]] * weights[..., None]).sum(1)
        for faces, weights in (
            (head.landmarks["468"].faces[list(ids)], head.landmarks["468"].barycentrics[list(ids)])
            for ids in (BROWS_ABOVE, BROWS_BELOW)
        )
    )
    skin = np.isin(head.face_material, [k for k, name in enumerate(head.materials) if name == "skin"])
    found = Surface(head.v_template, head.faces, face_mask=skin).nearest((upper + lower) / 2)
    faces, weights = head.landmarks["68"].faces.copy(), head.landmarks["68"].barycentrics.copy()
    faces[17:27], weights[17:27] = found.faces, found.barycentrics
    return dataclasses.replace(head, landmarks={**head.landmarks, "68": Embedding(faces, weights)})


def _skin(look: Look, person: Person) -> np.ndarray:
    """[h, w, 3] uint8 sRGB: the painted skin with spots of several sizes, and hair of another colour."""
    painted = srgb_to_linear(look.skin_texture / 255)
    rng = np.random.default_rng(person.seed)
    size = painted.shape[0]
    usual = srgb_to_linear(np.array(SKIN) / 255)
    dark = np.clip(1 - painted.mean(-1, keepdims=True) / (0.5 * usual.mean()), 0, 1)
    hair = painted + (1 - person.brows) * dark * (0.6 * usual - painted)
    noise = sum(share * _spots(rng, size, width) for share, width in SPOTS)
    redness = 0.06 * _spots(rng, size, 0.03)
    spotted = hair * np.exp(noise)[..., None] * np.stack([1 + redness, 1 - redness, 1 - redness], -1)
    return np.rint(linear_to_srgb(np.clip(spotted, 0, 1)) * 255).astype(np.uint8)


def _spots(rng: np.random.Generator, size: int, width: float) -> np.ndarray:
    """[size, size] smooth noise of variance 1; `width` in shares of the side."""
    from scipy.ndimage import gaussian_filter, zoom

    coarse = int(np.clip(4 / width, 16, size))  # what is smooth needs few samples
    noise = gaussian_filter(rng.normal(size=(coarse, coarse)), width * coarse, mode="wrap")
    return zoom(noise / noise.std(), size / coarse, order=1, grid_mode=True, mode="nearest")


def _within(pair: np.ndarray, limits: tuple[float, float]) -> bool:
    return limits[0] <= np.linalg.norm(pair[0] - pair[1]) <= limits[1]
