"""What a user may ask of a file: its unit and axes, which shapes it has and by what names, how few keys."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from flame_tools.arkit import ARKIT_NAMES
from flame_tools.errors import InputError
from flame_tools.export.axes import OURS, UNITS, Axes

_LONGEST_NAMES_FILE = 1 << 20  # bytes
_MOST_BETWEEN = 15


@dataclass(frozen=True)
class Options:
    """How a file should be written. What is None or empty is as the format has it by custom.

    A format takes some of these only (`export.TAKES`); the others are refused by name.
    """

    unit: str | None = None  # of UNITS
    up: str | None = None  # "y" or "z"
    shapes: tuple[str, ...] | None = None  # the targets that a file has; ("arkit",) for the 52 alone. None: all
    names: Mapping[str, str] = field(default_factory=dict)  # of shapes in the file: {"jawOpen": "Jaw_Open"}
    tolerance_mm: float | None = None  # leave out keys as long as no vertex strays further than this
    inbetweens: int = 0  # shapes between rest and a shut lid, instead of targets for the lids' way round the eyeball

    def __post_init__(self):
        if self.unit not in (None, *UNITS):
            raise InputError(f"unit {self.unit!r} is not known; there are: {', '.join(UNITS)}")
        if self.up not in (None, "y", "z"):
            raise InputError(f"up {self.up!r} is no upward axis; wanted y or z")
        if self.tolerance_mm is not None and not 0 < self.tolerance_mm <= 100:
            raise InputError(f"tolerance {self.tolerance_mm} mm is no bound; wanted more than 0 and at most 100")
        if not 0 <= self.inbetweens <= _MOST_BETWEEN:
            raise InputError(f"{self.inbetweens} shapes in between were asked for; wanted 0 to {_MOST_BETWEEN}")
        if self.shapes is not None and not self.shapes:
            raise InputError("no shape is left; name some, or leave the choice out to have all")
        _check_names(self.names)

    def axes(self, usual: Axes = OURS) -> Axes:
        """The file's axes, where `usual` are those that the format has by custom."""
        return Axes(self.unit or usual.unit, self.up or usual.up)

    def kept(self, there: Sequence[str], possible: Collection[str] = ()) -> list[str]:
        """Those of the shapes `there` that are asked for, in their order.

        Raises InputError for a shape that is neither there, nor `possible` in another performance, nor one of the 52.
        """
        if self.shapes is None:
            return list(there)
        wanted = ARKIT_NAMES if self.shapes == ("arkit",) else self.shapes
        _refuse_unknown(wanted, there, possible, "keep")
        return [name for name in there if name in set(wanted)]

    def called(self, there: Mapping[str, str], possible: Collection[str] = ()) -> dict[str, str]:
        """What each shape is called in the file, where `there` says it for those that no option names.

        Raises InputError as `kept` does, and where two shapes would have one name.
        """
        _refuse_unknown(self.names, tuple(there), possible, "rename")
        names = {ours: self.names.get(ours, usual) for ours, usual in there.items()}
        _refuse_twins(names.values())
        return names

    def asked(self) -> set[str]:
        """The names of the options that are not as they are by default."""
        return {f.name for f in fields(self) if getattr(self, f.name) != getattr(DEFAULT, f.name)}


def read_names(path: str | os.PathLike) -> dict[str, str]:
    """Names of shapes from a JSON object, ours to theirs: {"jawOpen": "Jaw_Open", ...}.

    Raises InputError where the file is no such object, or two shapes would have one name.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > _LONGEST_NAMES_FILE:
            raise InputError(f"it is {size} bytes long, and a list of names has a megabyte at most")
        names = json.loads(path.read_text("utf-8"))
        if not isinstance(names, dict):
            raise InputError('it holds no JSON object; wanted {"jawOpen": "Jaw_Open", ...}')
        _check_names(names)
    except (OSError, ValueError, RecursionError) as error:  # an InputError is a ValueError
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f'cannot read names of shapes from {path}: {why}; wanted a JSON file such as {{"jawOpen": "Jaw_Open"}}'
        ) from error
    return names


def _check_names(names: Mapping[str, str]) -> None:
    for ours, theirs in names.items():
        if not isinstance(ours, str) or not isinstance(theirs, str) or not theirs.strip() or not theirs.isprintable():
            raise InputError(f"shape {ours!r} cannot be called {theirs!r}; wanted a name that can be printed")
    _refuse_twins(names.values())


def _refuse_twins(names: Collection[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"two shapes would have one name: {', '.join(twice)}; rename the one that has it already")


def _refuse_unknown(names: Iterable[str], there: Sequence[str], possible: Collection[str], what: str) -> None:
    """What a head can have is known even where a performance has no use for it; others are a slip."""
    unknown = sorted(set(names) - {*there, *possible, *ARKIT_NAMES})
    if unknown:
        raise InputError(f"no shape to {what} is called {', '.join(unknown)}; there are: {', '.join(there)}")


DEFAULT = Options()
