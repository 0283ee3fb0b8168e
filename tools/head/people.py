"""A seeded crowd: who they are (ancestry, sex, age, build) and how their faces deviate from that."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from tools.head.cut import to_head_frame
from tools.head.eyes import neutral_offset
from tools.head.source import RACES, Source, macro_weights

# Standard deviation of a topic's sliders, in units of MakeHuman's sliders (1 is the sculptor's extreme).
SPREAD = {
    "head": 0.22, "forehead": 0.3, "eyebrows": 0.35, "eyes": 0.25, "nose": 0.23, "mouth": 0.23,
    "cheek": 0.3, "chin": 0.28, "ears": 0.35, "neck": 0.25,
}  # fmt: skip
# Sliders that move or turn the head as a whole, or lean to one side.
SKIPPED = ("head-trans-", "head-angle-", "neck-trans-", "nose-trans-in", "mouth-trans-in", "measure-neck-height")
# The skull's proportions vary less than the sculptor's extremes suggest; spreads of single sliders.
SPREAD_OF = {
    "head-scale-vert-decr-incr": 0.08, "head-scale-depth-decr-incr": 0.12, "head-scale-horiz-decr-incr": 0.12,
    "head-back-scale-depth-decr-incr": 0.15, "forehead-scale-vert-decr-incr": 0.08, "forehead-nubian-decr-incr": 0.08,
    "forehead-trans-backward-forward": 0.15, "head-triangular": 0.12, "head-invertedtriangular": 0.12,
    "head-square": 0.12, "head-rectangular": 0.12, "head-diamond": 0.12, "head-round": 0.15, "head-oval": 0.15,
}  # fmt: skip
# What comes with a heavier or older person: added to a slider per unit of (weight - 0.5) and per 65 years past 25.
WITH_WEIGHT = {"head-fat-decr-incr": 1.8, "neck-double-decr-incr": 1.4, "cheek-volume-decr-incr": 1.0}
WITH_AGE = {
    "head-age-decr-incr": 0.6, "ear-scale-decr-incr": 0.5, "ear-lobe-decr-incr": 0.5, "eye-bag-decr-incr": 0.6,
    "cheek-trans-down-up": -0.5, "nose-scale-vert-decr-incr": 0.2, "nose-point-down-up": -0.25,
    "neck-double-decr-incr": 0.4, "mouth-angles-down-up": -0.15, "mouth-upperlip-volume-decr-incr": -0.4,
    "mouth-lowerlip-volume-decr-incr": -0.4,
}  # fmt: skip
ASYMMETRY = 0.2  # of a slider's spread, between its left and right half
ASYM_SPREAD = 0.15  # of the targets made for asymmetric faces
CHILDREN = 0.03
LIMIT = 2.0  # no slider goes beyond this many spreads


@dataclass(frozen=True)
class Attributes:
    """What is known about P people."""

    ancestry: np.ndarray  # [P, 3] shares in the order of RACES, rows sum to 1
    male: np.ndarray  # [P] in [0, 1]
    age_years: np.ndarray  # [P]
    muscle: np.ndarray  # [P] in [0, 1]
    weight: np.ndarray  # [P] in [0, 1]


@dataclass(frozen=True)
class People:
    """A crowd on some of the source's vertices."""

    vertices: np.ndarray  # [P, n, 3] metres, each in its own head frame
    attributes: Attributes


def sample_people(source: Source, used: np.ndarray, count: int, *, seed: int) -> People:
    """`count` people on the source vertices `used` [n]."""
    random = np.random.default_rng(seed)
    attributes = _attributes(random, count)
    mixes = [
        macro_weights(
            races=dict(zip(RACES, attributes.ancestry[i], strict=True)),
            male=attributes.male[i],
            age_years=attributes.age_years[i],
            muscle=attributes.muscle[i],
            weight=attributes.weight[i],
        )
        for i in range(count)
    ]
    names, recipe = _local_recipe(source, random, attributes)
    macros = sorted({name for mix in mixes for name in mix})
    place = {name: i for i, name in enumerate(macros)}
    amounts = np.zeros((count, len(macros)))
    for i, mix in enumerate(mixes):
        for name, value in mix.items():
            amounts[i, place[name]] = value
    amounts = np.concatenate([amounts, recipe], 1)

    def in_head(offsets: np.ndarray) -> np.ndarray:
        return to_head_frame(source, offsets)[used].ravel()

    targets = np.stack([in_head(source.target(name)) for name in macros + names])
    base = in_head(source.vertices + neutral_offset(source))
    vertices = (amounts @ targets + base).reshape(count, len(used), 3)
    return People(vertices, attributes)


def _attributes(random: np.random.Generator, count: int) -> Attributes:
    """Populations evenly; mostly adults of 18 to 75 years, a few children of 8 to 18; build around the average."""
    ancestry = random.dirichlet([0.45] * len(RACES), count)
    male = random.beta(0.6, 0.6, count)
    adult = random.triangular(18.0, 24.0, 75.0, count)
    child = random.uniform(8.0, 18.0, count)
    age = np.where(random.random(count) < CHILDREN, child, adult)
    muscle = np.clip(random.normal(0.5, 0.2, count), 0.0, 1.0)
    weight = np.clip(random.normal(0.5, 0.2, count), 0.0, 1.0)
    return Attributes(ancestry, male, age, muscle, weight)


def _local_recipe(source: Source, random: np.random.Generator, attributes: Attributes) -> tuple[list[str], np.ndarray]:
    """Names of local targets and their amounts [P, n]: opposite targets never act together."""
    count = len(attributes.male)
    old = np.clip((attributes.age_years - 25.0) / 65.0, 0.0, 1.0)
    table = json.loads((source.folder / "mpfb2" / "targets" / "target.json").read_text())
    names: list[str] = []
    amounts: list[np.ndarray] = []

    def bounded(spread: float) -> np.ndarray:
        return spread * np.clip(random.normal(0.0, 1.0, count), -LIMIT, LIMIT)

    def add(topic: str, name: str, amount: np.ndarray) -> None:
        if name:
            names.append(f"{topic}/{name}")
            amounts.append(np.maximum(amount, 0.0))

    for topic, spread in SPREAD.items():
        for slider in sorted(table[topic]["categories"], key=lambda slider: slider["name"]):
            if slider["name"].startswith(SKIPPED):
                continue
            single = SPREAD_OF.get(slider["name"], spread)
            value, lean = bounded(single), bounded(single * ASYMMETRY)
            value += WITH_WEIGHT.get(slider["name"], 0.0) * (attributes.weight - 0.5)
            value += WITH_AGE.get(slider["name"], 0.0) * old
            ends = slider.get("opposites")
            if ends is None:  # targets without opposites, such as head-oval; convex is concave's by its name alone
                for name in sorted(slider["targets"]):
                    sided = lean if name.startswith("l-") else -lean if name.startswith("r-") else 0.0
                    add(topic, name, (value + sided) * (-1.0 if name.endswith("convex") else 1.0))
                continue
            for sign, word in ((1.0, "positive"), (-1.0, "negative")):
                add(topic, ends[f"{word}-unsided"], sign * value)
                add(topic, ends[f"{word}-left"], sign * (value + lean))
                add(topic, ends[f"{word}-right"], sign * (value - lean))
    for name in source.target_names("asym"):
        if not name.startswith("asym/asymm-"):  # breast and trunk
            names.append(name)
            amounts.append(np.abs(bounded(ASYM_SPREAD)) * random.integers(0, 2, count))
    return names, np.stack(amounts, 1)
