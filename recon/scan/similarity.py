"""Alignments that a few wrong pairs do not bend, and the parts of a similarity."""

from __future__ import annotations

import numpy as np

from flame_tools.surface.alignment import Alignment, align


def rotation_of(alignment: Alignment) -> np.ndarray:
    """[3, 3] the turn in a rigid motion or similarity."""
    return alignment.linear / alignment.scale


def align_robustly(
    points: np.ndarray,  # [N, 3]
    targets: np.ndarray,  # [N, 3]
    weights: np.ndarray,  # [N]
    *,
    width: float,  # in the targets' unit: errors beyond it lose their pull (Geman-McClure)
    kind: str = "similarity",
    rounds: int = 12,
) -> Alignment:
    """The map of `kind` that brings most of the points near their targets."""
    found = align(points, targets, kind=kind, weights=weights)
    for _ in range(rounds):
        squared = ((found(points) - targets) ** 2).sum(1)
        squared_width = max(width**2, float(np.median(squared[weights > 0])))
        found = align(points, targets, kind=kind, weights=weights / (1 + squared / squared_width) ** 2)
    return found
