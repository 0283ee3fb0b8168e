"""Identities by name: heads have directions such as age or ancestry, people mix, casts are drawn in balance.

An identity is a vector [S] in standard deviations. A direction is one too: adding it once makes its clear change
(`age`: 20 years older; `sex`: from the mean to male, its negative to female; `ancestry_*`: from the mean to that
population alone). Directions change one attribute with the others held still, as learnt when the head was built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.srgb import encoded

SEXES = {"female": -1.0, "male": 1.0}
ANCESTRIES = ("african", "asian", "european")
ADULT_AGES = (20.0, 75.0)  # a cast's ages where none are asked for, years
AGE_LIMITS = (8.0, 90.0)  # years in which the default head was taught
LIMIT = 2.0  # no component of a person's own deviation goes beyond this many SD


def checked_identity(shape: Tensor | None, head: Head) -> Tensor:
    """One identity [S] as float32, the head's mean where None. Raises ShapeError where it does not fit the head."""
    shape = torch.zeros(head.shape_size) if shape is None else torch.as_tensor(shape, dtype=torch.float32)
    if tuple(shape.shape) != (head.shape_size,):
        raise ShapeError(f"shape is {list(shape.shape)}, head {head.arrays.id!r} wants [{head.shape_size}]")
    return shape


@dataclass(frozen=True)
class Cast:
    """A cast of n people and who they were meant to be."""

    shapes: Tensor  # [n, S] in SD
    age_years: np.ndarray  # [n]
    sex: np.ndarray  # [n] -1 female .. +1 male
    ancestry: np.ndarray  # [n, 3] shares in the order of ANCESTRIES
    skin: np.ndarray  # [n, 3] uint8 sRGB complexions


def direction(head: Head, name: str) -> Tensor:
    """The named identity direction [S] of a head, in its dtype and on its device."""
    if name not in head.arrays.directions:
        known = ", ".join(sorted(head.arrays.directions)) or "none"
        raise InputError(f"head {head.arrays.id!r} has no identity direction {name!r}; it has {known}")
    return torch.as_tensor(
        np.asarray(head.arrays.directions[name]), dtype=head.v_template.dtype, device=head.v_template.device
    )


def mix(
    shapes: Tensor,  # [n, ..., S]
    weights: Sequence[float] | Tensor | None = None,  # [n]; equal parts by default
) -> Tensor:  # [..., S]
    """A blend of n identities. Weights are shares: they are scaled to sum to one, and may be negative (caricature)."""
    if shapes.ndim < 2:
        raise ShapeError(f"mix takes identities [n, ..., S], got {list(shapes.shape)}")
    share = torch.ones(len(shapes)) if weights is None else torch.as_tensor(weights)
    share = share.to(shapes.dtype).to(shapes.device)
    if share.shape != (len(shapes),):
        raise ShapeError(f"mix got {len(shapes)} identities and weights {list(share.shape)}; wanted one weight each")
    total = share.sum()
    if not torch.isfinite(share).all() or abs(float(total)) < 1e-6:
        raise InputError(f"weights sum to {float(total):g}; wanted finite shares of something")
    return torch.tensordot(share / total, shapes, 1)


def random_identities(
    head: Head,
    n: int,
    seed: int,
    *,
    age: float | tuple[float, float] | None = None,  # years, or a range of years
    sex: str | float | None = None,  # "female", "male", or -1 .. +1
    ancestry: str | Mapping[str, float] | None = None,  # one of ANCESTRIES, or shares
) -> Tensor:  # [n, S]
    """n different people; what is not asked for is spread evenly (see `random_cast`)."""
    return random_cast(head, n, seed, age=age, sex=sex, ancestry=ancestry).shapes


def random_cast(
    head: Head,
    n: int,
    seed: int,
    *,
    age: float | tuple[float, float] | None = None,
    sex: str | float | None = None,
    ancestry: str | Mapping[str, float] | None = None,
) -> Cast:
    """A balanced cast: ages at even steps, sexes and ancestries in equal numbers and in every combination.

    Each person is the mean person of that age, sex and ancestry plus a random deviation of their own, which
    leaves those attributes alone (weight is free to vary). A head without directions gives plain
    random people, and refuses to be asked for more.
    """
    if not all(isinstance(value, Integral) and value >= 0 for value in (n, seed)):
        raise InputError(f"a cast of {n} people by seed {seed} cannot be drawn; wanted whole numbers of 0 or more")
    random = np.random.default_rng(seed)
    ages, sexes, shares = _ages(n, age), _sexes(n, sex), _ancestries(n, ancestry)
    order = random.permutation(n)
    ages, sexes, shares = ages[order], sexes[order], shares[order]
    own = np.clip(random.normal(size=(n, head.shape_size)), -LIMIT, LIMIT)
    skin = _complexions(shares, random)
    directions = {name: np.asarray(row, np.float64) for name, row in head.arrays.directions.items()}
    if not directions:
        asked = [k for k, v in {"age": age, "sex": sex, "ancestry": ancestry}.items() if v is not None]
        if asked:
            raise InputError(
                f"head {head.arrays.id!r} has no identity directions, so {' and '.join(asked)} cannot be chosen; "
                "use the default head, or leave them out"
            )
        return Cast(_tensor(own, head), np.full(n, np.nan), np.full(n, np.nan), np.full((n, 3), np.nan), skin)
    named = np.stack([directions[name] for name in sorted(directions) if name != "weight"], 1)
    basis, _ = np.linalg.qr(named)
    own = own - (own @ basis) @ basis.T
    shapes = own + _age_effect(head, directions, ages)
    if "sex" in directions:
        shapes = shapes + sexes[:, None] * directions["sex"]
    for share, name in zip(shares.T, ANCESTRIES, strict=True):
        if f"ancestry_{name}" in directions:
            shapes = shapes + share[:, None] * directions[f"ancestry_{name}"]
    return Cast(_tensor(shapes, head), ages, sexes, shares, skin)


def _complexions(shares: np.ndarray, random: np.random.Generator) -> np.ndarray:  # [n, 3] uint8 sRGB
    """Skin by how much melanin it has: each channel's light falls exponentially with it (Beer and Lambert)."""
    melanin = np.array([0.75, 0.2, 0.08])  # of ANCESTRIES, of what the darkest skin has; the middle of a wide range
    spread = np.array([0.16, 0.09, 0.06])
    amount = np.clip(shares @ melanin + (shares @ spread) * random.normal(size=len(shares)), 0.0, 1.1)
    palest, darkest = np.array([0.70, 0.43, 0.32]), np.array([0.11, 0.045, 0.026])  # linear light
    light = palest * (darkest / palest) ** amount[:, None]
    return np.rint(255 * encoded(light)).astype(np.uint8)


def _age_effect(head: Head, directions: Mapping[str, np.ndarray], years: np.ndarray) -> np.ndarray:
    """What ages [n] add to the mean identity [n, S]."""
    learnt = head.arrays.provenance.get("identity", {})
    adult = float(learnt.get("adult_years", 25.0))
    ageing = np.maximum(years - adult, 0.0) - float(learnt.get("mean_ageing_years", 15.0))
    growing = np.maximum(adult - years, 0.0) - float(learnt.get("mean_growing_years", 0.0))
    effect = np.zeros((len(years), head.shape_size))
    if "age" in directions:
        effect += ageing[:, None] / float(learnt.get("age_unit_years", 20.0)) * directions["age"]
    if "child" in directions:
        effect += growing[:, None] / float(learnt.get("child_unit_years", 14.0)) * directions["child"]
    return effect


def _ages(n: int, age: float | tuple[float, float] | None) -> np.ndarray:
    ends = np.atleast_1d(ADULT_AGES if age is None else age)
    known = ends.shape in ((1,), (2,)) and ends.dtype.kind in "iuf"
    if not (known and AGE_LIMITS[0] <= ends[0] <= ends[-1] <= AGE_LIMITS[1]):
        raise InputError(f"age {age} is outside {AGE_LIMITS[0]:g} to {AGE_LIMITS[1]:g} years (a number or low, high)")
    low, high = float(ends[0]), float(ends[-1])
    return low + (high - low) * (np.arange(n) + 0.5) / max(n, 1)


def _sexes(n: int, sex: str | float | None) -> np.ndarray:
    if sex is None:
        return np.where(np.arange(n) % 2 == 0, -1.0, 1.0)
    value = SEXES.get(sex) if isinstance(sex, str) else float(sex)
    if value is None or not -1.0 <= value <= 1.0:
        raise InputError(f"sex {sex!r} is unknown; wanted female, male or a number from -1 (female) to 1 (male)")
    return np.full(n, value)


def _ancestries(n: int, ancestry: str | Mapping[str, float] | None) -> np.ndarray:
    if ancestry is None:  # three in turn, each with both sexes
        return np.eye(3)[(np.arange(n) // 2) % 3]
    asked = {ancestry: 1.0} if isinstance(ancestry, str) else dict(ancestry)
    unknown = sorted(set(asked) - set(ANCESTRIES))
    share = np.array([float(asked.get(name, 0.0)) for name in ANCESTRIES])
    if unknown or share.min() < 0.0 or not 0.0 < share.sum() < np.inf:
        raise InputError(f"ancestry {ancestry!r} is unknown; wanted {', '.join(ANCESTRIES)} or shares of them")
    return np.tile(share / share.sum(), (n, 1))


def _tensor(shapes: np.ndarray, head: Head) -> Tensor:
    return torch.as_tensor(shapes, dtype=head.v_template.dtype, device=head.v_template.device)
