"""Chance that repeats: where the generators of blinks, gaze, brows, head and the mouth's lean come from.

Each stream is seeded by the user's seed, the recording itself and its own number. Two recordings therefore never move
alike under one seed, the same recording always does, and no stream disturbs another when it draws more numbers.
"""

from __future__ import annotations

import hashlib
import operator

import numpy as np

from flame_tools.errors import InputError

STREAMS = ("blinks", "gaze", "brows", "head", "lean", "bearing")
_BLOCK = 1 << 20  # samples looked at together: hours of them are not copied
_LARGEST = 2**64 - 1  # what a track's header can carry to every reader


def generator(seed: int | tuple[int, ...], stream: str) -> np.random.Generator:
    """The generator of one stream under `seed`: a whole number, or the result of `of_recording`."""
    numbers = seed if isinstance(seed, tuple) else (seed,)
    return np.random.default_rng((*numbers, 1 + STREAMS.index(stream)))


def of_recording(seed: int, samples: np.ndarray) -> tuple[int, int]:
    """A seed of these samples [N] under the user's `seed`.

    Samples enter as 16-bit numbers: a file and the same sound in memory, float or integer, move alike.
    """
    digest = hashlib.sha256()
    for at in range(0, len(samples), _BLOCK):
        rounded = np.round(np.clip(samples[at : at + _BLOCK], -1.0, 1.0) * 32767).astype("<i2")
        digest.update(rounded.tobytes())
    return seed, int.from_bytes(digest.digest()[:8], "little")


def checked(seed: object) -> int:
    """The seed as an int. Raises InputError where it is not a whole number from 0 to 2^64 - 1."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, (bool, np.bool_)) or not 0 <= number <= _LARGEST:
        raise InputError(f"seed is {seed!r}, wanted a whole number from 0 to 2^64 - 1, such as 7")
    return number
