"""People who do not exist: seeded identities, balanced over what the head has names for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams, Track

VARIETY = 0.75  # of the population's own spread: faces that are told apart without being odd
LIMIT_SD = 2.0
SPREAD = 0.8  # how far along named directions a balanced cast goes, in the head's own units


def random_identity(
    head: Head,
    *,
    seed: int,
    towards: dict[str, float] | None = None,  # named direction -> how far, in the head's own units
    variety: float = VARIETY,
) -> Tensor:  # [S]
    """A person: independent components within 2 SD, moved `towards` named directions such as age, sex or ancestry."""
    directions = head.arrays.directions
    unknown = sorted(set(towards or {}) - set(directions))
    if unknown:
        raise InputError(f"head {head.arrays.id!r} has no direction {unknown[0]!r}; it has {', '.join(directions)}")
    rng = np.random.default_rng(seed)
    shape = variety * np.clip(rng.standard_normal(head.shape_size), -LIMIT_SD, LIMIT_SD)
    if towards:
        # What has a name is said by `towards` alone: chance varies the rest.
        named = np.linalg.qr(np.stack(list(directions.values()), -1).astype(np.float64))[0]
        shape = shape - named @ (named.T @ shape)
    for name, amount in (towards or {}).items():
        shape = shape + amount * directions[name]
    return torch.as_tensor(shape).to(head.v_template)


def cast(head: Head, count: int, *, seed: int = 0) -> list[tuple[dict[str, float], Tensor]]:
    """`count` people, balanced: ancestries and sexes take turns, ages and weights spread evenly over the cast.

    Returns what each was drawn towards, and the identity [S].
    """
    directions = head.arrays.directions
    ancestries = sorted(name for name in directions if name.startswith("ancestry_"))
    rng = np.random.default_rng(seed)
    even = np.linspace(-SPREAD, SPREAD, count) if count > 1 else np.zeros(1)
    spread = {name: rng.permutation(even) for name in ("age", "weight")}
    people = []
    for i in range(count):
        towards = {name: round(float(spread[name][i]), 3) for name in spread if name in directions}
        if ancestries:
            towards[ancestries[i % len(ancestries)]] = SPREAD
        if "sex" in directions:
            # Turns of different lengths meet in every pairing; of an even number of ancestries, shift at each round.
            turn = i + (i // len(ancestries) if ancestries and len(ancestries) % 2 == 0 else 0)
            towards["sex"] = SPREAD if turn % 2 else -SPREAD
        people.append((towards, random_identity(head, seed=seed * 1_000_003 + i, towards=towards)))
    return people


def still(head: Head, shape: Tensor) -> Track:
    """An identity [S] at rest, as a track of one frame."""
    params = FaceParams.neutral(head, 1).replace(shape=shape)
    return Track(head.arrays.id, params, np.zeros(1), licences=(head.arrays.licence,))
