"""How well embeddings tell whether two pictures show one person: from pairs of the same, and of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.errors import InputError


@dataclass(frozen=True)
class Verification:
    """Of pairs. 1 and 0.5 are chance's opposites: certain, and blind."""

    auc: float  # chance that a pair of one person is nearer than a pair of two
    accuracy: float  # where as many of the one kind are mistaken as of the other: 1 - equal error rate
    threshold: float  # cosine at which that is


def verification(same: np.ndarray, other: np.ndarray) -> Verification:
    """From cosines of pairs of one person [P] and of two people [Q]. Ties count half."""
    if not len(same) or not len(other):
        raise InputError(f"there are {len(same)} pairs of one person and {len(other)} of two; wanted some of each")
    same, other = np.sort(same), np.sort(other)
    below = (np.searchsorted(other, same, "left") + np.searchsorted(other, same, "right")) / 2
    limits = np.unique(np.concatenate([same, other]))
    missed = np.searchsorted(same, limits, "left") / len(same)  # of one person, and below the limit
    taken = 1 - np.searchsorted(other, limits, "left") / len(other)  # of two, and not below
    at = int(np.abs(missed - taken).argmin())
    error = (missed[at] + taken[at]) / 2
    return Verification(float(below.mean() / len(other)), float(1 - error), float(limits[at]))
