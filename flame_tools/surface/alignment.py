"""The rigid motion, similarity or affine map that takes points best to paired points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError

FEWEST = {"rigid": 3, "similarity": 3, "affine": 4}


@dataclass(frozen=True)
class Alignment:
    """p -> p @ linear.T + translation."""

    linear: np.ndarray  # [3, 3]
    translation: np.ndarray  # [3] metres

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] moved."""
        return points @ self.linear.T + self.translation

    @property
    def scale(self) -> float:
        """The cube root of how volumes grow."""
        return float(np.cbrt(np.linalg.det(self.linear)))

    def inverse(self) -> Alignment:
        back = np.linalg.inv(self.linear)
        return Alignment(back, -back @ self.translation)


def align(
    points: np.ndarray,  # [N, 3]
    targets: np.ndarray,  # [N, 3]
    *,
    kind: str = "similarity",
    weights: np.ndarray | None = None,  # [N]
) -> Alignment:
    """The `kind` of map ("rigid", "similarity", "affine") that brings `points` nearest to `targets` in least squares.

    Rotations are proper, never mirrored (Umeyama 1991). An affine map of nearly flat points keeps the similarity's
    size across their plane.
    """
    if kind not in FEWEST:
        raise ShapeError(f"alignment is {kind!r}, wanted one of {', '.join(FEWEST)}")
    points, targets = np.asarray(points, np.float64), np.asarray(targets, np.float64)
    if points.shape != targets.shape or points.ndim != 2 or len(points) < FEWEST[kind]:
        raise ShapeError(
            f"a {kind} alignment takes at least {FEWEST[kind]} pairs [N, 3], found {list(points.shape)} "
            f"and {list(targets.shape)}"
        )
    share = np.ones(len(points)) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    p0, t0 = share @ points, share @ targets
    p, t = points - p0, targets - t0
    covariance = t.T @ (share[:, None] * p)
    u, s, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    variance = (share * (p * p).sum(1)).sum()
    scale = 1.0 if kind == "rigid" else (s * sign).sum() / variance
    linear = scale * rotation
    if kind == "affine":
        ridge = 0.01 * variance / 3 * np.eye(3)  # of a cloud's mean spread: what the points do not span stays
        linear = (covariance + linear @ ridge) @ np.linalg.inv(p.T @ (share[:, None] * p) + ridge)
    return Alignment(linear, t0 - linear @ p0)
