"""What a face does, carried to another face: where the other's vertices should be.

A sample is a vertex of the target and the place of the source's surface that corresponds to it. Its travel from the
source's rest is turned and scaled as the two rest faces differ there (the idea of Sumner & Popovic, "Deformation
transfer for triangle meshes", 2004, on points) and added to the target's rest: a mouth half as wide smiles half as far.
Between the lips the gap itself is carried: lips that just touch on one face just touch on the other.
"""

from __future__ import annotations

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.surface.correspondence import Correspondence, correspond
from flame_tools.transfer.fit import Wanted
from flame_tools.transfer.lips import Lips, with_corners
from flame_tools.transfer.points import FacePoints
from flame_tools.transfer.samples import FACE, FINE, areas, in_regions, spread
from flame_tools.types import HeadArrays

_FEWEST = 100  # vertices of the face that heads must share
_TRUSTED = 0.2  # of a correspondence's confidence


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
        self.count, self.own_pairs = len(samples), len(own_pairs)
        self.barycentrics = np.asarray(match.places.barycentrics, np.float64)[samples]
        self.frames = np.asarray(match.frames, np.float64)[samples]
        corners = np.concatenate([match.source_corners[samples].reshape(-1), own_pairs.reshape(-1)])
        corners = np.concatenate([corners, match.source_corners[pairs].reshape(-1)])
        used, self.rows = np.unique(corners, return_inverse=True)
        self.source_points = FacePoints(source, source_shape, used, offsets=offsets)
        self.points = FacePoints(target, target_shape, np.concatenate([samples, pairs.reshape(-1)]))
        # Square roots of areas: dense meshes do not outweigh coarse ones, and small features are not lost.
        area = np.concatenate([areas(target)[samples], np.zeros(pairs.size)])
        confidence = np.concatenate([match.confidence[samples], np.zeros(pairs.size)])
        self.weights = np.sqrt(area) * confidence
        rows = self.count + np.arange(pairs.size).reshape(-1, 2)
        self.pairs = with_corners(rows)
        self.own_rest, own_lips = self._parts(self.source_points.template[None])
        self.own_lips, self.lips = Lips.at_rest(own_lips[0]), Lips.at_rest(self.points.template[rows])
        self.lips_there = None  # [Q, 3] places of the target's pairs on the source's person at rest
        if len(own_pairs) > 1 and len(pairs):
            meet = self.source_points.template[self.rows[-3 * pairs.size :]].reshape(*pairs.shape, 3, 3)
            self.lips_there = np.einsum("qicx,qic->qx", meet, match.places.barycentrics[pairs]) / 2

    def wanted(self, motion: np.ndarray) -> Wanted:
        """What `points` and the lips' `pairs` should do for the source's motion [t, E + 11]."""
        samples, lips = self._parts(self.source_points.place(motion).points)
        travel = np.einsum("tkcx,kc->tkx", samples - self.own_rest, self.barycentrics)
        places = np.repeat(self.points.template[None], len(motion), 0)
        places[:, : self.count] += (self.frames @ travel[..., None])[..., 0]
        return Wanted(places, *self.own_lips.carried(lips, self.lips, self.lips_there))

    def _parts(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the source's vertices as corners of the samples [t, K, 3, 3] and pairs of the lips [t, P, 2, 3]."""
        corners, pairs = np.split(self.rows[: 3 * self.count + 2 * self.own_pairs], [3 * self.count])
        return points[:, corners].reshape(len(points), -1, 3, 3), points[:, pairs].reshape(len(points), -1, 2, 3)


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
