"""A film's readings person by person: what is small is in memory, landmarks stay where they are kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from readers.readings import Readings, part_files, part_path, read_part


class StoredParts(Sequence[Readings]):
    """The parts that a film was read into, each read again when it is asked for."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = folder

    def __len__(self) -> int:
        return len(part_files(self.folder))

    def __getitem__(self, number: int) -> Readings:
        return read_part(part_path(self.folder, number))[0]


@dataclass(frozen=True)
class Rows:
    """One person's R rows, in the order of the frames."""

    id: int
    parts: Sequence[Readings]
    part: np.ndarray  # [R] int64: which part holds each
    row: np.ndarray  # [R] int64: where in it
    frame: np.ndarray  # [R] int64
    trust: np.ndarray  # [R] float32 in [0, 1]
    height: np.ndarray  # [R] float32 pixels

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, chosen: np.ndarray) -> Readings:
        """The readings of rows [n], which must be in their order."""
        return Readings.joined([readings for _, readings in self._taken(np.asarray(chosen))])

    def by_part(self) -> Iterator[tuple[int, Readings]]:
        """The number of each part in which the person is, and their readings there."""
        return self._taken(np.arange(len(self)))

    def stretches(self) -> list[tuple[int, slice]]:
        """The numbers of the parts in which the person is, and which rows lie in each."""
        numbers, starts = np.unique(self.part, return_index=True)
        ends = [*starts[1:], len(self)]
        return [(int(n), slice(int(a), int(b))) for n, a, b in zip(numbers, starts, ends, strict=True)]

    def _taken(self, chosen: np.ndarray) -> Iterator[tuple[int, Readings]]:
        for number in np.unique(self.part[chosen]):
            yield int(number), self.parts[number].take(self.row[chosen[self.part[chosen] == number]])


def people_in(read: Iterable[Readings], parts: Sequence[Readings]) -> list[Rows]:
    """The people of a film whose parts come from `read` once, and lie in `parts`; by their numbers."""
    small = {"id": [], "part": [], "row": [], "frame": [], "trust": [], "height": []}
    for number, readings in enumerate(read):
        small["id"].append(readings.id)
        small["part"].append(np.full(len(readings), number))
        small["row"].append(np.arange(len(readings)))
        small["frame"].append(readings.frame)
        small["trust"].append(readings.trust)
        small["height"].append(np.ptp(readings.landmarks[..., 1], axis=1))
    if not small["id"]:
        return []
    columns = {name: np.concatenate(column) for name, column in small.items()}
    whose = columns.pop("id")
    return [
        Rows(int(one), parts, **{name: column[whose == one] for name, column in columns.items()})
        for one in np.unique(whose)
    ]
