"""Under which licences a file leaves: its head's, and those of everything else that made its track."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flame_tools.types import HeadArrays, Track

_BETWEEN = "; "  # in no licence of ours


def licences_of(track: Track, head: HeadArrays) -> tuple[str, ...]:
    """Each licence once, sorted. Writers put them into their files as the format allows."""
    return tuple(sorted({licence for several in (head.licence, *track.licences) for licence in apart(several)}))


def joined(licences: Iterable[str]) -> str:
    """Licences as one line, as a head and some formats keep them."""
    return _BETWEEN.join(dict.fromkeys(licences))


def apart(line: str) -> list[str]:
    """The licences in a line of `joined`."""
    return line.split(_BETWEEN)
