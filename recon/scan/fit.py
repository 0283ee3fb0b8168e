"""A head's parameters from a scan that lies on it: landmarks first, then the surface, ever closer.

Each vertex of the skin looks for the nearest point of the scan and is pulled towards the plane there. Points that are
too far, that face elsewhere or that lie at a hole's rim do not count; what they leave unknown the prior fills in.
Metres, in the head's own frame; the scan has been brought near it by its landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.blas import one_blas_thread
from flame_tools.smooth import smooth_step
from readers.face_parts import BROWS, LEFT_EYE, LID_PAIRS, LIP_PAIRS, RIGHT_EYE
from recon.fitting.arrow import solve
from recon.fitting.least_squares import Problem
from recon.fitting.priors import bounds, landmark_trust, prior
from recon.scan.points import OrientedPoints
from recon.scan.skin import ScanModel


@dataclass(frozen=True)
class Stage:
    """One tightening of the fit."""

    reach_m: float
    """Points of the scan that are farther from the head do not count."""
    noise_m: float
    """Standard deviation of the distance to the surface, at a vertex with the usual area."""
    landmark_m: float
    """Standard deviation of a landmark."""
    cosine: float
    """Least cosine between the normals of head and scan."""
    rounds: int
    """How often nearest points are found anew."""


STAGES = (
    Stage(0.025, 0.006, 0.004, 0.3, 4),
    Stage(0.012, 0.003, 0.004, 0.5, 5),
    Stage(0.006, 0.0015, 0.005, 0.7, 8),
)
GAP_M, GAP_SHARE = 0.0005, 0.15  # standard deviation of how far lips and lids are apart: this and a share of it
SHUT_SD_M = 0.0003  # of shut lips from how the head's own touch at rest
LIDS_APART_SD = 0.15
SHUT_M, OPEN_M = 0.0025, 0.0045  # gaps read up to the first are shut lips, from the second on as wide as they are read


@dataclass(frozen=True)
class Match:
    """What the scan says at each of n skin vertices."""

    points: np.ndarray  # [n, 3]
    normals: np.ndarray  # [n, 3] unit, outward
    trust: np.ndarray  # [n] in [0, 1]; 0 where the scan says nothing


class Target:
    """The scan's points, to be asked for what lies near."""

    def __init__(self, scan: OrientedPoints):
        from scipy.spatial import cKDTree

        self.scan, self.tree = scan, cKDTree(scan.points)

    def match(self, points: np.ndarray, normals: np.ndarray, *, reach_m: float, cosine: float) -> Match:
        distance, near = self.tree.query(points, 8, distance_upper_bound=reach_m)
        known = np.isfinite(distance)
        near = np.where(known, near, 0)
        found = self.scan.normals[near]  # [n, 8, 3]
        agree = np.einsum("nkc,nc->nk", found, normals)
        if not self.scan.signed:
            found = found * np.where(agree < 0, -1.0, 1.0)[..., None]
            agree = np.abs(agree)
        usable = known & (agree > cosine)
        first = usable.argmax(1)  # the nearest that faces the same way
        rows = np.arange(len(points))
        chosen = near[rows, first]
        away = points - self.scan.points[chosen]
        normal = found[rows, first]
        aside = np.linalg.norm(away - (away * normal).sum(1, keepdims=True) * normal, axis=1)
        trust = usable.any(1) & ~self.scan.rim[chosen] & (aside < 0.003 + 0.3 * reach_m)
        return Match(self.scan.points[chosen], normal, trust.astype(float))


@dataclass(frozen=True)
class ScanFit:
    """Where a fit ended."""

    unknowns: np.ndarray  # [K]
    covariance: np.ndarray  # [K, K]; 0 where held
    match: Match


@dataclass(frozen=True)
class Evidence:
    """What one scan says, brought to the head's frame."""

    target: Target
    landmarks: np.ndarray  # [468, 3] metres; anything where there is no trust
    trust: np.ndarray  # [468] in [0, 1]
    front: np.ndarray  # [468, 2] metres: landmarks from the front, over holes as well; only their differences count
    painted: bool
    """Whether the scan has colours: on bare ones the network guesses brows, and takes blank eyes for half shut ones
    (5.5 mm open where 9 mm is true)."""


@one_blas_thread()
def fit_parameters(skin: ScanModel, scans: Sequence[Evidence]) -> list[ScanFit]:
    """Fit from the head at rest. Scans of one person share their identity, which all of them tell together.

    The unknowns are the identity once, and everything else of each scan.
    """
    lay, count = skin.layout, len(scans)
    own = lay.size - lay.shape.stop
    rows = [np.r_[: lay.shape.stop, lay.shape.stop + t * own + np.arange(own)] for t in range(count)]
    x = np.zeros(lay.shape.stop + count * own)
    mean, sd, low, high, active = (np.zeros_like(x) for _ in range(5))
    trusts = [one.trust * _trust_of_landmarks(skin, one.painted) for one in scans]
    shuts = [_shut(one.front) for one in scans]
    for mine, shut in zip(rows, shuts, strict=True):
        mean[mine], sd[mine] = prior(skin.arrays, lay, together=0.7 * shut)
        low[mine], high[mine] = bounds(skin.arrays, lay)
        free = np.ones(lay.size)
        free[lay.log_focal] = free[lay.eyes] = 0
        active[mine] = free
    for stage in STAGES:
        for _ in range(stage.rounds):
            parts = []
            for mine, one, trust, shut in zip(rows, scans, trusts, shuts, strict=True):
                match = one.target.match(*skin.surface(x[mine]), reach_m=stage.reach_m, cosine=stage.cosine)
                parts.append(_residuals(skin, match, one, trust, shut, stage))
            problem = Problem(
                _joined(parts, rows), np.concatenate([robust for _, robust in parts]), mean, sd, low, high
            )
            solution = solve(problem, x, active=active > 0, steps=2)
            x = solution.x[0]
    (spread,) = solution.covariance()
    last = STAGES[-1]
    return [
        ScanFit(
            x[mine],
            spread[np.ix_(mine, mine)],
            one.target.match(*skin.surface(x[mine]), reach_m=last.reach_m, cosine=last.cosine),
        )
        for mine, one in zip(rows, scans, strict=True)
    ]


def _trust_of_landmarks(skin: ScanModel, painted: bool) -> np.ndarray:
    """[468]: how far each landmark may be trusted where it was seen; 0 where the head has none."""
    trust = landmark_trust() * np.isin(np.arange(468), skin.numbers)
    if not painted:
        trust[[*BROWS, *RIGHT_EYE, *LEFT_EYE]] *= 0.2
    return trust


def _joined(parts, rows):
    """r(x) of all scans, one after another, of the unknowns that they share."""

    def residuals(x: np.ndarray, wants_jacobian: bool):
        found = [part(x[mine], wants_jacobian) for (part, _), mine in zip(parts, rows, strict=True)]
        r = np.concatenate([one for one, _ in found])
        if not wants_jacobian:
            return r, None
        if len(found) == 1:
            return found[0]
        jacobian, start = np.zeros((len(r), 1, len(x))), 0
        for (one, change), mine in zip(found, rows, strict=True):
            jacobian[start : start + len(one)][:, :, mine] = change
            start += len(one)
        return r, jacobian

    return residuals


def _shut(front: np.ndarray) -> float:
    """In [0, 1]: how surely the lips touch, which a dropped jaw would not let them."""
    upper, lower = np.array(LIP_PAIRS).T
    gap = np.median(np.linalg.norm(front[upper] - front[lower], axis=1))
    return 0.0 if np.isnan(gap) else float(1 - smooth_step(gap, SHUT_M, OPEN_M))


def _residuals(skin: ScanModel, match: Match, one: Evidence, trust: np.ndarray, shut: float, stage: Stage):
    """r(x) [n, 1] in standard deviations, and which rows are robust.

    Distances to the planes, the landmarks' three coordinates, how far lips and lids are apart, one lid from the other.
    """
    lids = skin.layout.eyelids
    used = np.flatnonzero(match.trust > 0)
    weight = np.sqrt(match.trust * skin.share)[used] / stage.noise_m
    planes, normals = match.points[used], match.normals[used]
    row = np.full(468, -1)
    row[skin.numbers] = skin.model.slices["marks"].start + np.arange(len(skin.numbers))
    marks = np.flatnonzero(trust > 0)
    mark_weight = np.sqrt(trust[marks]) / stage.landmark_m
    # how far lips and lids are apart from the front: heights in the head's frame
    pairs = np.array(LIP_PAIRS + LID_PAIRS * one.painted)
    apart = one.front[pairs[:, 0]] - one.front[pairs[:, 1]]  # [n, 2]
    lips = slice(0, len(LIP_PAIRS))
    shut_lips = skin.rest_marks[pairs[lips, 0], :2] - skin.rest_marks[pairs[lips, 1], :2]
    wide = smooth_step(np.linalg.norm(apart[lips], axis=1), SHUT_M, OPEN_M)[:, None]
    apart[lips] = wide * apart[lips] + (1 - wide) * shut_lips
    kept = np.isfinite(apart).all(1) & np.isin(pairs, skin.numbers).all(1)
    (upper, lower), apart = pairs[kept].T, apart[kept]
    gap_weight = 1 / (GAP_M + GAP_SHARE * np.linalg.norm(apart, axis=1, keepdims=True))
    # what touches: vertices, not landmarks, so that no teeth show between the lips
    touching = skin.lip_pairs if shut > 0 else skin.lip_pairs[:0]
    lip_upper, lip_lower = touching.T
    rest = skin.rest[lip_upper] - skin.rest[lip_lower]
    shut_weight = shut / SHUT_SD_M

    def residuals(x: np.ndarray, wants_jacobian: bool):
        points, change = skin.model.points_and_jacobian(x) if wants_jacobian else (skin.model.points(x), None)
        places = points[row]
        r = [
            ((points[used] - planes) * normals).sum(1) * weight,
            np.diff(x[lids]) / LIDS_APART_SD,
            ((places[marks] - one.landmarks[marks]) * mark_weight[:, None]).ravel(),
            (((places[upper] - places[lower])[:, :2] - apart) * gap_weight).ravel(),
            ((points[lip_upper] - points[lip_lower] - rest) * shut_weight).ravel(),
        ]
        if not wants_jacobian:
            return np.concatenate(r)[:, None], None
        moved = change[row]
        apart_lids = np.zeros((1, len(x)))
        apart_lids[0, lids] = -1 / LIDS_APART_SD, 1 / LIDS_APART_SD
        jacobian = [
            np.einsum("nck,nc->nk", change[used], normals * weight[:, None]),
            apart_lids,
            (moved[marks] * mark_weight[:, None, None]).reshape(-1, len(x)),
            ((moved[upper] - moved[lower])[:, :2] * gap_weight[..., None]).reshape(-1, len(x)),
            ((change[lip_upper] - change[lip_lower]) * shut_weight).reshape(-1, len(x)),
        ]
        return np.concatenate(r)[:, None], np.concatenate(jacobian)[:, None]

    robust = np.zeros(len(used) + 1 + 3 * len(marks) + 2 * len(upper) + 3 * len(lip_upper), bool)
    robust[: len(used) + 1 + 3 * len(marks)] = True  # but a gap is a gap
    return residuals, robust
