"""Where nobody speaks: the silences of the phones, which noise, music and an even loudness do not hide."""

from __future__ import annotations

from animate.visemes import SILENCE, plain
from flame_tools.types import Intervals

SHORTEST_S = 0.15  # less is a stop's closure, or no breath


def silences(phones: Intervals, *, shortest_s: float = SHORTEST_S) -> list[tuple[float, float]]:
    """Stretches (start_s, end_s) of silence, of `shortest_s` or more."""
    found: list[tuple[float, float]] = []
    for name, start, end in zip(phones.names, phones.start_s.tolist(), phones.end_s.tolist(), strict=True):
        if plain(name) != SILENCE:
            continue
        if found and start - found[-1][1] < 1e-3:
            start = found.pop()[0]
        found.append((start, end))
    return [(start, end) for start, end in found if end - start >= shortest_s]
