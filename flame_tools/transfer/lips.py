"""Mouths from face to face: lips that just touch on one just touch on the other, and a smile is as wide.

What counts between the lips is their gap in millimetres, the more the closer they are; then the way from corner to
corner, which a smile shows more than anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Weights stand beside the mean squared distance of a face's samples, per axis: across, vertical, in depth.
_GAP_WEIGHT = np.array([0.1, 1.0, 0.2])
_NEARNESS = ((1.0, 5e-3), (6.0, 2e-3))  # times this at no gap, half of that at a gap of so many metres; summed
_CORNERS_WEIGHT = 0.3
_BELIEVED_M = (-1e-3, 1e-3)  # gaps of lips at rest; pairs further apart do not lie where the lips meet


@dataclass(frozen=True)
class Lips:
    """Pairs of points on the inner lips at rest, upper and lower, from the right corner to the left one."""

    rest: np.ndarray  # [P, 2, 3] metres
    along: np.ndarray  # [P] place of each pair along the mouth, 0 right corner to 1 left corner
    touch: np.ndarray  # [P, 3] metres, the gap where lips touch: no height, unless the pairs lie elsewhere

    @staticmethod
    def at_rest(pairs: np.ndarray) -> Lips:  # [P, 2, 3] metres
        middle, touch = pairs.mean(1), pairs[:, 0] - pairs[:, 1]
        way = np.cumsum(np.linalg.norm(np.diff(middle, axis=0, prepend=middle[:1]), axis=1))
        touch[:, 1] -= np.clip(touch[:, 1], *_BELIEVED_M)
        return Lips(pairs, way / max(way[-1:].sum(), 1e-9), touch)

    def carried(
        self, posed: np.ndarray, target: Lips, there: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places [T, P, 2, 3] of these lips to what the target's `with_corners` pairs should do.

        `there` [Q, 3] is where the middles of the target's pairs lie beside these lips at rest: not on every head do
        pairs reach from corner to corner. None: they reach as far here. Gaps [T, Q + 1, 3] in metres, first minus
        second, and how much each counts, of the same shape.
        """
        if len(self.along) < 2 or len(target.along) < 2:
            return np.zeros((2, len(posed), 0, 3))
        middles = target.rest.mean(1)
        if there is None:
            places, own = target.along, self.rest.mean(1)
        else:
            places, own = self._along(there), there
        scale = np.linalg.norm(middles[0] - middles[-1]) / max(np.linalg.norm(own[0] - own[-1]), 1e-9)
        left = np.clip(np.searchsorted(self.along, places), 1, len(self.along) - 1)
        share = (places - self.along[left - 1]) / np.maximum(self.along[left] - self.along[left - 1], 1e-9)
        share = np.clip(share, 0.0, 1.0)[:, None]

        def at(values: np.ndarray) -> np.ndarray:  # [..., P, 3] -> [..., Q, 3]
            return (1 - share) * values[..., left - 1, :] + share * values[..., left, :]

        opening = scale * at(posed[:, :, 0] - posed[:, :, 1] - self.touch)
        wide = np.linalg.norm(opening, axis=-1, keepdims=True)
        weight = _GAP_WEIGHT * sum(height / (1 + (wide / width) ** 2) for height, width in _NEARNESS)
        rest, moved = at(self.rest[:, 0]), at(posed[:, :, 0])
        wider = moved[:, :1] - moved[:, -1:] - (rest[0] - rest[-1])
        across = target.rest[0, 0] - target.rest[-1, 0] + scale * wider
        count = len(target.along) + 1
        return (
            np.concatenate([target.touch + opening, across], 1),
            np.concatenate([weight, np.full_like(across, _CORNERS_WEIGHT * count)], 1),
        )

    def _along(self, points: np.ndarray) -> np.ndarray:
        """Where points [Q, 3] beside these lips at rest lie along them, [Q] in [0, 1]."""
        middle = self.rest.mean(1)
        across = middle[-1] - middle[0]
        own = np.maximum.accumulate((middle - middle[0]) @ across)
        return np.interp((points - middle[0]) @ across, own, self.along)


def with_corners(pairs: np.ndarray) -> np.ndarray:
    """Pairs [P, 2] of the lips' points and one more: the first and the last of the upper ones. Fewer than two: none."""
    return np.concatenate([pairs, pairs[[0, -1], 0][None]]) if len(pairs) > 1 else pairs[:0]
