"""Chance that repeats: where the generators of blinks, gaze, brows, head and the mouth's lean come from.

Each stream is seeded by the user's seed and its own number: no stream disturbs another when it draws more numbers.
"""

from __future__ import annotations

import operator

import numpy as np

from flame_tools.errors import InputError

STREAMS = ("blinks", "gaze", "brows", "head", "lean")
_LARGEST = 2**64 - 1  # what a track's header can carry to every reader


def generator(seed: int | tuple[int, ...], stream: str) -> np.random.Generator:
    """The generator of one stream under `seed`."""
    numbers = seed if isinstance(seed, tuple) else (seed,)
    return np.random.default_rng((*numbers, 1 + STREAMS.index(stream)))


def checked(seed: object) -> int:
    """The seed as an int. Raises InputError where it is not a whole number from 0 to 2^64 - 1."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, (bool, np.bool_)) or not 0 <= number <= _LARGEST:
        raise InputError(f"seed is {seed!r}, wanted a whole number from 0 to 2^64 - 1, such as 7")
    return number
