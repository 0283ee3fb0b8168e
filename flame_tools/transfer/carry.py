"""What a face does, carried to another face: where the other's vertices should be.

A sample is a vertex of the target and the place of the source's surface that corresponds to it. Its travel from the
source's rest is turned and scaled as the two rest faces differ there (the idea of Sumner & Popovic, "Deformation
transfer for triangle meshes", 2004, on points) and added to the target's rest: a mouth half as wide smiles half as far.
Between the lips the gap itself is carried: lips that just touch on one face just touch on the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.surface.correspondence import Correspondence, correspond
from flame_tools.transfer.fit import Wanted
from flame_tools.transfer.points import FacePoints
from flame_tools.transfer.samples import FACE, FINE, areas, in_regions, spread
from flame_tools.types import HeadArrays

_FEWEST = 100  # vertices of the face that heads must share
_TRUSTED = 0.2  # of a correspondence's confidence
_GAP_WEIGHT = (0.1, 1.0, 0.2)  # across, vertical, in depth: beside the samples' mean squared distance
# Touching lips must seal, a wide open mouth need not be exact: weight at no gap, and the gap in metres that halves it.
_NEARNESS = ((1.0, 5e-3), (6.0, 2e-3))
_CORNERS = 0.3  # weight of the way between the corners, beside the mean squared distance of the samples
_BELIEVED_M = (-1e-3, 1e-3)  # gaps of lips at rest; pairs further apart do not lie where the lips meet


class Carrier:
    """A person on the source head and one on the target: `wanted` tells where the target's `points` should be."""

    def __init__(
        self,
        source: HeadArrays,
        target: HeadArrays,
        match: Correspondence,
        source_shape: np.ndarray,  # [S of the source]
        target_shape: np.ndarray,  # [S of the target]
        *,
        offsets: np.ndarray | None = None,  # [V, 3] metres, of the source's person at rest
    ):
        self.source, self.target = source, target
        samples = _samples(source, target, match)
        own_pairs, pairs = _lip_pairs(source, target, match)
        self.count = len(samples)
        self.barycentrics = np.asarray(match.places.barycentrics, np.float64)[samples]
        self.frames = np.asarray(match.frames, np.float64)[samples]
        corners = np.concatenate([match.source_corners[samples].reshape(-1), own_pairs.reshape(-1)])
        used, self.rows = np.unique(corners, return_inverse=True)
        self.source_points = FacePoints(source, source_shape, used, offsets=offsets)
        self.points = FacePoints(target, target_shape, np.concatenate([samples, pairs.reshape(-1)]))
        # Square roots of areas: dense meshes do not outweigh coarse ones, and small features are not lost.
        area = np.concatenate([areas(target)[samples], np.zeros(pairs.size)])
        confidence = np.concatenate([match.confidence[samples], np.zeros(pairs.size)])
        rows = self.count + np.arange(pairs.size).reshape(-1, 2)
        self.weights = np.sqrt(area) * confidence
        self.pairs = np.concatenate([rows, rows[:: max(len(rows) - 1, 1), 0][None]]) if len(rows) > 1 else rows
        self.own_rest, own_lips = self._parts(self.source_points.template[None])
        self.own_lips = own_lips[0]
        self.own_gaps = LipGaps.at_rest(self.own_lips)
        self.gaps = LipGaps.at_rest(self.points.template[rows])
        self.mouth_scale = _width(self.points.template[rows]) / max(_width(own_lips[0]), 1e-6)

    def wanted(self, motion: np.ndarray) -> Wanted:
        """What `points` and the lips' `pairs` should do for the source's motion [t, E + 11]."""
        samples, lips = self._parts(self.source_points.place(motion).points)
        travel = np.einsum("tkcx,kc->tkx", samples - self.own_rest, self.barycentrics)
        places = np.repeat(self.points.template[None], len(motion), 0)
        places[:, : self.count] += (self.frames @ travel[..., None])[..., 0]
        gaps = self.own_gaps.carried(lips, self.gaps, self.mouth_scale)
        wide = np.linalg.norm(gaps - self.gaps.touch, axis=-1, keepdims=True)
        weight = sum(height / (1 + (wide / width) ** 2) for height, width in _NEARNESS) * np.array(_GAP_WEIGHT)
        if gaps.shape[1] > 1:  # and the way from corner to corner, which a smile shows more than anything
            corners = self.points.template[self.pairs[-1]]
            own = lips[:, 0, 0] - lips[:, -1, 0] - (self.own_lips[0, 0] - self.own_lips[-1, 0])
            across = corners[0] - corners[1] + self.mouth_scale * own
            gaps = np.concatenate([gaps, across[:, None]], 1)
            weight = np.concatenate([weight, np.full_like(weight[:, :1], _CORNERS * len(self.pairs))], 1)
        return Wanted(places, gaps, weight)

    def _parts(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the source's vertices as corners of the samples [t, K, 3, 3] and pairs of the lips [t, P, 2, 3]."""
        spread = points[:, self.rows]
        corners = 3 * self.count
        return (
            spread[:, :corners].reshape(len(points), -1, 3, 3),
            spread[:, corners:].reshape(len(points), -1, 2, 3),
        )


@dataclass(frozen=True)
class LipGaps:
    """The gap between pairs of points on the inner lips, upper minus lower, right corner to left corner."""

    along: np.ndarray  # [P] place of each pair along the mouth, 0 right corner to 1 left corner
    touch: np.ndarray  # [P, 3] metres, the gap where lips touch: no height, unless the pairs lie elsewhere

    @staticmethod
    def at_rest(pairs: np.ndarray) -> LipGaps:
        """From the pairs' places [P, 2, 3] on a face at rest."""
        middle, gap = pairs.mean(1), pairs[:, 0] - pairs[:, 1]
        way = np.cumsum(np.linalg.norm(np.diff(middle, axis=0, prepend=middle[:1]), axis=1))
        touch = gap.copy()
        touch[:, 1] -= np.clip(gap[:, 1], *_BELIEVED_M)
        return LipGaps(way / max(way[-1:].sum(), 1e-9), touch)

    def carried(self, posed: np.ndarray, target: LipGaps, scale: float) -> np.ndarray:
        """Places [T, P, 2, 3] of posed pairs to the gaps [T, Q, 3] that the target's pairs should have."""
        beyond = posed[:, :, 0] - posed[:, :, 1] - self.touch
        if not len(self.along):
            return beyond
        left = np.clip(np.searchsorted(self.along, target.along), 1, max(len(self.along) - 1, 1)) % len(self.along)
        right = np.maximum(left - 1, 0)
        share = (target.along - self.along[right]) / np.maximum(self.along[left] - self.along[right], 1e-9)
        share = np.clip(share, 0.0, 1.0)[:, None]
        return target.touch + scale * ((1 - share) * beyond[:, right] + share * beyond[:, left])


def _samples(source: HeadArrays, target: HeadArrays, match: Correspondence) -> np.ndarray:
    """About 1500 vertices [K] of the target spread over the face, closer together on lips and lids."""
    face, fine = _region(source, target, match, FACE), _region(source, target, match, FINE)
    face &= match.confidence > _TRUSTED
    if face.sum() < _FEWEST:
        raise ShapeError(
            f"heads {source.id!r} and {target.id!r} have {int(face.sum())} vertices of the face in common, too few to "
            "carry a performance; check their landmarks and regions, or copy the names (method 'names')"
        )
    return spread(target.v_template, np.flatnonzero(face), fine)


def _region(source: HeadArrays, target: HeadArrays, match: Correspondence, names: tuple[str, ...]) -> np.ndarray:
    """Which of the target's vertices [W] are in any of these regions: its own, or else the source's."""
    inside = in_regions(target, names)
    if inside is None and (there := in_regions(source, names)) is not None:
        inside = match.values(there[:, None].astype(float))[:, 0] > 0.5
    return np.ones(len(target.v_template), bool) if inside is None else inside


def _lip_pairs(source: HeadArrays, target: HeadArrays, match: Correspondence) -> tuple[np.ndarray, np.ndarray]:
    """Inner lip pairs [P, 2] of the source and [Q, 2] of the target; a head without any borrows the other's."""
    own, other = source.inner_lip_pairs, target.inner_lip_pairs
    if not len(own):
        nearest = np.take_along_axis(match.source_corners, match.places.barycentrics.argmax(1)[:, None], 1)[:, 0]
        own = nearest[other]
    elif not len(other):
        back = correspond(target, source)
        nearest = np.take_along_axis(back.source_corners, back.places.barycentrics.argmax(1)[:, None], 1)[:, 0]
        other = nearest[own]
    return np.asarray(own, np.int64).reshape(-1, 2), np.asarray(other, np.int64).reshape(-1, 2)


def _width(lips: np.ndarray) -> float:
    """Distance in metres between the first and the last of lip pairs [P, 2, 3]."""
    return float(np.linalg.norm(lips[-1].mean(0) - lips[0].mean(0))) if len(lips) else 1.0
