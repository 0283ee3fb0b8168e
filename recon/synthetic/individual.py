"""What makes people unlike all faces of a head, and unlike each other when they move: bumps, a manner, a tongue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flame_tools.types import HeadArrays
from recon.synthetic.shots import Marks

BUMPS, BUMP_M = 10, (0.0, 0.0016)  # smooth bumps that no identity of the head has: how many, and how high
BUMP_REACH_M = (0.012, 0.045)
MANNERS, MANNER_SD = 8, 0.2  # people move alike and yet not: in how many places, and how much
MANNER_REACH_M = (0.015, 0.05)
WIDER_TONGUE, TONGUE_ASIDE, TONGUE_DOWN = (0.85, 1.6), 0.4, 0.3  # tongues that are out: width, and where they lean
LIDS_M = 0.018  # from the middle of an eye: within it lids go where eyes are


def random_bumps(head: HeadArrays, rng: np.random.Generator) -> np.ndarray:
    """[V, 3] metres: what makes this person unlike all identities of the head."""
    near = _near_places(head, BUMPS, BUMP_REACH_M, rng)
    return near @ (rng.normal(size=(BUMPS, 3)) * rng.uniform(*BUMP_M))


def random_manner(head: HeadArrays, marks: Marks, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """What an expression moves [V, 3], metres, as this person moves it: here more, there less, there askew."""
    near = _near_places(head, MANNERS, MANNER_REACH_M, rng)
    for eye in marks.of(head.v_template, "iris")[[0, 5]]:
        near *= -np.expm1(-0.5 * ((head.v_template - eye) ** 2).sum(-1, keepdims=True) / LIDS_M**2)
    askew = rng.normal(0, MANNER_SD, (MANNERS, 3, 3))
    return lambda moved: moved + np.einsum("vk,kij,vj->vi", near, askew, moved, optimize=True)


def turn_tongue(posed: np.ndarray, head: HeadArrays, rng: np.random.Generator) -> None:
    """Widen the tongue of posed [V, 3], metres, and lean what is out of the mouth to a side, up or down; in place."""
    wide, aside, down = rng.uniform(*WIDER_TONGUE), rng.normal(0, TONGUE_ASIDE), rng.normal(0, TONGUE_DOWN)
    tongue = head.regions.get("tongue", np.zeros(0, np.int64))
    if not len(tongue) or not len(head.inner_lip_pairs):
        return
    teeth = posed[head.inner_lip_pairs[:, 1], 2].max() - 0.008  # about where the lower incisors stand
    out = np.maximum(posed[tongue, 2] - teeth, 0)
    share = np.minimum(out / 0.01, 1)
    posed[tongue, 0] *= 1 + (wide - 1) * share
    posed[tongue, 0] += aside * out
    posed[tongue, 1] -= down * out


def _near_places(head: HeadArrays, count: int, reach_m: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """[V, count] in [0, 1]: how near vertices are to so many places on the face, each with a reach of its own."""
    places = head.v_template.astype(np.float32)
    middles = places[rng.choice(head.regions["face"], count)]
    reach = rng.uniform(*reach_m, count).astype(np.float32)
    return np.exp(-0.5 * ((places[:, None] - middles) ** 2).sum(-1) / reach**2)
