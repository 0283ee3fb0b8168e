"""Linear bases learnt from offsets of many meshes: principal components, and what goes with the joints' rotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RIDGE = 1e-6  # of the features' mean square: correctives that the meshes do not show stay zero


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components, 1 unit = 1 standard deviation."""

    dirs: np.ndarray  # [V, 3, K] metres
    scores: np.ndarray  # [N, K] of the meshes they were learnt from
    share: np.ndarray  # [K] of the (weighted) variance


def principal(
    offsets: np.ndarray,  # [N, V, 3] metres from the mean, or from rest
    weights: np.ndarray,  # [V] what an error at a vertex costs
    count: int,
) -> Components:
    """The `count` strongest components, or as many as the meshes span. Signs make the largest entry positive."""
    meshes = len(offsets)
    scaled = (offsets * np.sqrt(weights)[:, None].astype(offsets.dtype)).reshape(meshes, -1)
    gram = (scaled @ scaled.T).astype(np.float64) / meshes
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1]
    order = order[: min(count, int((values > 1e-9 * values.max()).sum()))]
    scores = vectors[:, order] * np.sqrt(meshes)  # unit mean square
    dirs = np.tensordot(offsets, scores, (0, 0)) / meshes  # [V, 3, K]
    flat = dirs.reshape(-1, len(order))
    lead = np.take_along_axis(flat, np.abs(flat).argmax(0)[None], 0)[0]
    sign = np.where(lead < 0, -1.0, 1.0)
    return Components(dirs * sign, scores * sign, values[order] / max(np.trace(gram), 1e-30))


def correctives(offsets: np.ndarray, feature: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Pose correctives [36, V, 3]: what of offsets [N, V, 3] goes with the entries of R - I [N, 36], in some rows.

    Expressions are learnt from the rest, so that their scores do not depend on the pose. To fit both by turns changes
    nothing: what is left over has no part that goes with the pose.
    """
    offsets, feature = offsets[rows], feature[rows]
    size = feature.shape[1]
    ridge = RIDGE * max(float((feature**2).sum()), 1e-12) * np.eye(size)
    return np.tensordot(np.linalg.solve(feature.T @ feature + ridge, feature.T), offsets, 1)
