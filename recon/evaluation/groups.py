"""Figures of many pictures, in all and by groups, with counts and bootstrap intervals that are the same every time.

A figure of a group is its mean over the pictures that have it. Its interval is the percentile bootstrap's (Efron 1979):
pictures, or people where the table says whose they are, are drawn with replacement, and the middle 95 % of the means
kept. Every group begins from the same seed, so that its interval hangs on no other group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from flame_tools.errors import FaceError, InputError
from recon.evaluation.manifest import BINS, Picture, groups_of
from recon.evaluation.summary import Pool

DRAWS, LEVEL = 2000, 0.95
_AT_ONCE = 200  # draws held in memory together


@dataclass(frozen=True)
class Measured:
    """What one picture gives."""

    figures: dict[str, float | None]
    distances: np.ndarray | None = None  # [n] mm, to be pooled with those of the group's other pictures


@dataclass(frozen=True)
class Interval:
    """A mean over pictures. Without an interval where fewer than two pictures, or people, have the figure."""

    mean: float
    low: float | None
    high: float | None
    pictures: int  # that have the figure


@dataclass(frozen=True)
class Group:
    """The pictures that an attribute's value names."""

    attribute: str  # "all" for all of them
    value: str
    pictures: int
    missing: int  # from which nothing was made; they are in no figure
    subjects: int | None  # None where the table does not say
    figures: dict[str, Interval | None]
    pooled: dict[str, float] | None = None  # median_mm, mean_mm, std_mm, p90_mm over all distances together


@dataclass
class _Sum:
    """Of one group while pictures are measured."""

    rows: list[int]
    pool: Pool = field(default_factory=Pool)


def measured_groups(
    pictures: Sequence[Picture],
    measure: Callable[[Picture], Measured],
    *,
    by: Sequence[str],
    bins: Mapping[str, tuple[float, ...]] = BINS,
    seed: int = 0,
    told: Callable[[int], None] = lambda row: None,  # after each picture
) -> list[Group]:
    """Measure every picture once and sum up all of them, then each group of each attribute in `by`.

    Distances are pooled as they come: memory does not grow with the scans. What cannot be measured is refused with
    its row; a picture without a prediction is counted as missing.
    """
    pictures = list(pictures)
    sums: dict[tuple[str, str], _Sum] = {("all", "all"): _Sum(list(range(len(pictures))))}
    for attribute in by:
        for value, rows in groups_of(pictures, attribute, bins).items():
            sums[attribute, value] = _Sum(rows)
    of_row: list[list[_Sum]] = [[] for _ in pictures]
    for one in sums.values():
        for row in one.rows:
            of_row[row].append(one)
    found: list[dict[str, float | None] | None] = []
    for row, picture in enumerate(pictures):
        if picture.prediction is None:
            found.append(None)
            continue
        try:
            result = measure(picture)
        except FaceError as error:
            raise InputError(f"row {picture.row}: {error}") from None
        found.append(result.figures)
        if result.distances is not None:
            for one in of_row[row]:
                one.pool.add(result.distances)
        told(row)
    if not any(found):
        raise InputError("no row has a prediction; there is nothing to measure")
    names = list(dict.fromkeys(name for figures in found if figures for name in figures))
    return [_group(key, one, pictures, found, names, seed) for key, one in sums.items()]


def bootstrap(values: np.ndarray, clusters: Sequence, *, seed: int = 0) -> tuple[float, float] | None:
    """The interval of the mean of values [n] when clusters [n] of them are drawn anew; None for fewer than two."""
    _, unit = np.unique(np.asarray(clusters), return_inverse=True)
    count = int(unit.max()) + 1
    if count < 2:
        return None
    totals, sizes = np.bincount(unit, values, count), np.bincount(unit, minlength=count)
    rng, means = np.random.default_rng(seed), []
    for _ in range(DRAWS // _AT_ONCE):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=_AT_ONCE)
        means.append((drawn @ totals) / (drawn @ sizes))
    low, high = np.quantile(np.concatenate(means), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _group(key, one: _Sum, pictures, found, names, seed) -> Group:
    subjects = [pictures[row].subject for row in one.rows]
    known = all(subject is not None for subject in subjects)
    figures = {name: _interval(name, one.rows, pictures, found, known, seed) for name in names}
    pooled = None
    if one.pool.counts.any():
        summary = one.pool.summary()
        pooled = {name: getattr(summary, name) for name in ("median_mm", "mean_mm", "std_mm", "p90_mm")}
        pooled["points"] = summary.points
    missing = sum(found[row] is None for row in one.rows)
    return Group(*key, len(one.rows), missing, len(set(subjects)) if known else None, figures, pooled)


def _interval(name, rows, pictures, found, by_subject: bool, seed: int) -> Interval | None:
    having = [row for row in rows if found[row] and found[row].get(name) is not None]
    if not having:
        return None
    values = np.array([found[row][name] for row in having], np.float64)
    clusters = [pictures[row].subject if by_subject else row for row in having]
    low, high = bootstrap(values, clusters, seed=seed) or (None, None)
    return Interval(float(values.mean()), low, high, len(having))
