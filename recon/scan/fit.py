"""A head's parameters from a scan that lies on it: landmarks first, then the surface, ever closer.

Each vertex of the skin looks for the nearest point of the scan and is pulled towards the plane there. Points that are
too far, that face elsewhere or that lie at a hole's rim do not count; what they leave unknown the prior fills in.
Metres, in the head's own frame; the scan has been brought near it by its landmarks.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import Embedding, HeadArrays
from readers.faces import LEFT_EYE, RIGHT_EYE
from recon.evaluate import IBUG_68
from recon.landmark_model import LandmarkModel, Layout
from recon.least_squares import Problem, solve
from recon.priors import BROWS, LID_PAIRS, LIP_PAIRS, bounds, landmark_trust, prior
from recon.scan.points import OrientedPoints
from recon.surface import smooth_step, unit, vertex_normals
from recon.threads import one_blas_thread


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
# how much the parts of the head count; what is named nowhere is the skin between them
SHARES = {"scalp": 0.1, "neck": 0.1, "ears": 0.3, "face": 1.0}
CAUCHY = 3.0
GAP_M = 0.0005  # standard deviation of how far lips and lids are apart, which is read better than where they are
SHUT_SD_M = 0.0003  # of shut lips from how the head's own touch at rest
LIDS_APART_SD = 0.15
LID_TRAVEL_M = 0.002
SHUT_M, OPEN_M = 0.0015, 0.003  # gaps up to the first are shut lips, for which the network leaves a gap as well


class ScanModel:
    """The skin of a head, vertex by vertex, and its 468 landmarks, as functions of the unknowns."""

    def __init__(self, arrays: HeadArrays):
        self.arrays = arrays
        wanted = [k for k, name in enumerate(arrays.materials) if name in ("skin", "lips")]
        skin = np.isin(arrays.face_material, wanted) if wanted else np.ones(len(arrays.faces), bool)
        inside = np.zeros(len(arrays.v_template), bool)
        for name in ("teeth", "gums", "tongue", "eyes", "left_eyeball", "right_eyeball"):
            inside[arrays.regions.get(name, ())] = True
        skin &= ~inside[arrays.faces].any(1)
        self.vertices, faces = np.unique(arrays.faces[skin], return_inverse=True)
        self.faces = faces.reshape(-1, 3)
        corner = np.zeros(len(arrays.v_template), int)
        place = np.zeros(len(arrays.v_template), int)
        chosen = np.flatnonzero(skin)
        for k in range(3):
            place[arrays.faces[chosen, k]], corner[arrays.faces[chosen, k]] = chosen, k
        points = Embedding(place[self.vertices], np.eye(3)[corner[self.vertices]])
        self.numbers, marks = numbered_landmarks(arrays)
        self.model = LandmarkModel(
            dataclasses.replace(arrays, landmarks={"skin": points, "marks": marks}), ("skin", "marks")
        )
        row = np.full(len(arrays.v_template), -1)
        row[self.vertices] = np.arange(len(self.vertices))
        pairs = row[np.asarray(arrays.inner_lip_pairs, int).reshape(-1, 2)]
        self.lip_pairs = pairs[(pairs >= 0).all(1)]  # [P, 2] upper, lower among the skin's vertices
        self.share = np.full(len(arrays.v_template), 0.1)
        for name, share in SHARES.items():
            self.share[arrays.regions.get(name, ())] = share
        self.share = self.share[self.vertices]
        # the lids of an open eye lie next to the eyeball, which a scan shows as well
        travel = np.linalg.norm(arrays.eyelid_dirs[:, :, :2], axis=1).max(1) if len(arrays.eyelid_dirs) else np.zeros(0)
        moved = np.zeros(len(arrays.v_template), bool)
        moved[arrays.eyelid_vertices[travel > LID_TRAVEL_M]] = True
        self.share[moved[self.vertices]] *= 0.3
        self.rest = arrays.v_template[self.vertices].astype(np.float64)
        area = np.linalg.norm(vertex_normals(self.rest, self.faces), axis=1)
        face = self.share == 1
        self.share = self.share * np.clip(area / np.median(area[face] if face.any() else area), 0, 2)

    @property
    def layout(self) -> Layout:
        return self.model.layout

    def landmarks(self, unknowns: np.ndarray) -> np.ndarray:
        """MediaPipe's landmarks [468, 3]; NaN where the head has none."""
        places = np.full((468, 3), np.nan)
        places[self.numbers] = self.model.points(unknowns)[self.model.slices["marks"]]
        return places

    def surface(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Skin vertices [n, 3] and their outward unit normals [n, 3]."""
        points = self.model.points(unknowns)[self.model.slices["skin"]]
        return points, unit(vertex_normals(points, self.faces))


def numbered_landmarks(arrays: HeadArrays) -> tuple[np.ndarray, Embedding]:
    """A head's landmarks and their numbers [L] among MediaPipe's 468: all of them, the 105, or iBUG's 68."""
    for name, numbers in (("468", np.arange(468)), ("105", None), ("68", np.array(IBUG_68))):
        found = arrays.landmarks.get(name)
        if found is not None and len(found.faces):
            numbers = found.index if numbers is None else numbers
            inner = slice(17, None) if name == "68" else slice(None)  # the jaw line depends on the view
            return np.asarray(numbers)[inner], Embedding(found.faces[inner], found.barycentrics[inner])
    raise ShapeError(
        f"head {arrays.id!r} has no landmarks that a face can be found by; wanted 468, 105 or 68, "
        f"it has {sorted(arrays.landmarks) or 'none'}: convert it with its landmark files"
    )


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
    sd: np.ndarray  # [K]; 0 where held
    match: Match


@one_blas_thread()
def fit_parameters(
    skin: ScanModel,
    target: Target,
    landmarks: np.ndarray | None,  # [468, 3] metres, head frame; NaN where unknown
    trust: np.ndarray | None,  # [468]
    *,
    painted: bool,
    stages: tuple[Stage, ...] = STAGES,
    start: np.ndarray | None = None,
    shape: np.ndarray | None = None,
) -> ScanFit:
    """Fit from the head at rest, or from `start` [K]; an identity `shape` [S] that is known stays.

    `painted` says whether the scan has colours: on bare ones the network guesses brows, and takes blank eyes for half
    shut ones (5.5 mm open where 9 mm is true).
    """
    lay = skin.layout
    unknowns = np.zeros(lay.size) if start is None else start.copy()
    if landmarks is not None:
        trust = trust * landmark_trust() * np.isin(np.arange(468), skin.numbers)
        if not painted:
            trust[[*BROWS, *RIGHT_EYE, *LEFT_EYE]] *= 0.2
    shut = 0.0 if landmarks is None else _shut(landmarks, trust)
    mean, sd = prior(skin.arrays, lay, together=0.7 * shut)
    low, high = bounds(skin.arrays, lay)
    active = np.ones(lay.size, bool)
    active[lay.log_focal] = active[lay.eyes] = False
    if shape is not None:
        unknowns[lay.shape], active[lay.shape] = np.clip(shape, low[lay.shape], high[lay.shape]), False
    for stage in stages:
        for _ in range(stage.rounds):
            points, normals = skin.surface(unknowns)
            match = target.match(points, normals, reach_m=stage.reach_m, cosine=stage.cosine)
            residuals, robust = _residuals(skin, match, landmarks, trust, stage, LIP_PAIRS + LID_PAIRS * painted, shut)
            problem = Problem(residuals, robust, mean, sd, low, high, cauchy=CAUCHY)
            solution = solve(problem, unknowns, active=active, steps=2)
            unknowns = solution.x
    spread = np.zeros(lay.size)
    ids = np.flatnonzero(solution.free)
    spread[ids] = np.sqrt(np.diag(np.linalg.inv(solution.hessian[np.ix_(ids, ids)])))
    points, normals = skin.surface(unknowns)
    match = target.match(points, normals, reach_m=stages[-1].reach_m, cosine=stages[-1].cosine)
    return ScanFit(unknowns, spread, match)


def _shut(landmarks: np.ndarray, trust: np.ndarray) -> float:
    """In [0, 1]: how surely the lips touch, which a dropped jaw would not let them."""
    upper, lower = np.array([pair for pair in LIP_PAIRS if trust[list(pair)].min() > 0] or [(0, 0)]).T
    gap = float(np.median(np.linalg.norm(landmarks[upper] - landmarks[lower], axis=1)))
    return float(1 - smooth_step(np.array(gap), SHUT_M, OPEN_M)) * (len(upper) > 2)


def _residuals(skin: ScanModel, match: Match, landmarks, trust, stage: Stage, gaps, shut: float):
    """r(x) [n, 1] in standard deviations, and which rows are robust.

    Distances to the planes, the landmarks' three coordinates, how far lips and lids are apart, one lid from the other.
    """
    lids = skin.layout.eyelids
    used = np.flatnonzero(match.trust > 0)
    weight = np.sqrt(match.trust * skin.share)[used] / stage.noise_m
    planes, normals = match.points[used], match.normals[used]
    marks = upper = lower = lip_upper = lip_lower = np.zeros(0, int)
    if landmarks is not None:
        row = np.full(468, -1)
        row[skin.numbers] = skin.model.slices["marks"].start + np.arange(len(skin.numbers))
        marks = np.flatnonzero(trust > 0)
        mark_weight = np.sqrt(trust[marks]) / stage.landmark_m
        pairs = np.array(gaps)
        sure = np.sqrt(trust[pairs].min(1))
        pairs, sure, lips = pairs[sure > 0], sure[sure > 0], (np.arange(len(pairs)) < len(LIP_PAIRS))[sure > 0]
        upper, lower = pairs.T
        apart = landmarks[upper] - landmarks[lower]
        apart[lips] *= smooth_step(np.linalg.norm(apart[lips], axis=1), SHUT_M, OPEN_M)[:, None]
        gap_weight = (sure / GAP_M)[:, None]
        # what touches: vertices, not landmarks, so that no teeth show between the lips
        touching = skin.lip_pairs if shut > 0 else skin.lip_pairs[:0]
        lip_upper, lip_lower = touching.T
        rest = skin.rest[lip_upper] - skin.rest[lip_lower]
        shut_weight = shut / SHUT_SD_M

    def residuals(x: np.ndarray, wants_jacobian: bool):
        points, change = skin.model.points_and_jacobian(x) if wants_jacobian else (skin.model.points(x), None)
        r = np.append(((points[used] - planes) * normals).sum(1) * weight, np.diff(x[lids]) / LIDS_APART_SD)
        if len(marks):
            places = points[row]
            r = np.concatenate(
                [
                    r,
                    ((places[marks] - landmarks[marks]) * mark_weight[:, None]).ravel(),
                    ((places[upper] - places[lower] - apart) * gap_weight).ravel(),
                    ((points[lip_upper] - points[lip_lower] - rest) * shut_weight).ravel(),
                ]
            )
        if not wants_jacobian:
            return r[:, None], None
        jacobian = np.zeros((len(used) + 1, len(x)))
        jacobian[:-1] = np.einsum("nck,nc->nk", change[used], normals * weight[:, None])
        jacobian[-1, lids] = -1 / LIDS_APART_SD, 1 / LIDS_APART_SD
        if len(marks):
            moved = change[row]
            jacobian = np.concatenate(
                [
                    jacobian,
                    (moved[marks] * mark_weight[:, None, None]).reshape(-1, len(x)),
                    ((moved[upper] - moved[lower]) * gap_weight[:, None]).reshape(-1, len(x)),
                    ((change[lip_upper] - change[lip_lower]) * shut_weight).reshape(-1, len(x)),
                ]
            )
        return r[:, None], jacobian[:, None]

    robust = np.zeros(len(used) + 1 + 3 * (len(marks) + len(upper) + len(lip_upper)), bool)
    robust[: len(used) + 1 + 3 * len(marks)] = True  # but a gap is a gap
    return residuals, robust
