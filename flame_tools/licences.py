"""Under which licences a file leaves: its head's, and those of everything else that made its track."""

from __future__ import annotations

from flame_tools.types import HeadArrays, Track


def licences_of(track: Track, head: HeadArrays) -> tuple[str, ...]:
    """Each licence once, sorted. Writers put them into their files as the format allows."""
    return tuple(sorted({head.licence, *track.licences}))
