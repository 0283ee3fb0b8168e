"""A corpus read back: samples one by one, in an order that a seed and an epoch tell, at constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from flame_tools.errors import InputError
from recon.corpus.sample import Sample, sample_of
from recon.corpus.source import SPLITS
from recon.corpus.tars import STATE, read_tar

_Members = tuple[str, dict[str, bytes]]


def shards_of(folder: str | os.PathLike, split: str = "train") -> list[Path]:
    """The shards of a split. Raises InputError where there are none."""
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}; choose {', '.join(SPLITS)}")
    found = sorted(Path(folder).glob(f"{split}-?????.tar"))
    if not found:
        raise InputError(f"{folder} has no {split}-00000.tar; make it: emberface corpus build PICTURES -o {folder}")
    return found


def samples(
    folder: str | os.PathLike,
    split: str = "train",
    *,
    seed: int | None = None,  # None: as they are stored
    epoch: int = 0,
    mixed: int = 1024,  # samples in memory among which the next is drawn; packed, some 25 KB each
    part: tuple[int, int] = (0, 1),  # number and count of the processes that share an epoch
) -> Iterator[Sample]:
    """Every sample of a split once. The same seed and epoch give the same order; shards are mixed, then samples.

    Every process of `part` reads all shards and keeps each count-th sample, so that together they see the order of one.
    Raises FormatError where a shard is damaged or no shard; nothing in it is unpacked to disk, or executed.
    """
    number, count = part
    if not 0 <= number < count or mixed < 1:
        raise InputError(f"part is {part} and mixed {mixed}; wanted a number below its count, and at least 1")
    paths = shards_of(folder, split)
    if seed is None:
        order = _packed(paths)
    else:
        rng = np.random.default_rng((seed, epoch))
        order = _mixed(_packed([paths[i] for i in rng.permutation(len(paths))]), rng, mixed)
    for place, (key, members) in enumerate(order):
        if place % count == number:
            yield sample_of(key, members)


def _packed(paths: list[Path]) -> Iterator[_Members]:
    for path in paths:
        yield from ((key, members) for key, members in read_tar(path) if key != STATE)


def _mixed(stream: Iterator[_Members], rng: np.random.Generator, count: int) -> Iterator[_Members]:
    """Draws from `count` that are at hand; each drawn one makes place for the next of the stream."""
    held: list[_Members] = []
    for one in stream:
        if len(held) < count:
            held.append(one)
            continue
        place = int(rng.integers(count))
        yield held[place]
        held[place] = one
    yield from (held[i] for i in rng.permutation(len(held)))
