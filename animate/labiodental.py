"""F and V: the lower lip comes to the edges of the upper incisors, measured and solved on the head at hand.

What moves the lip how far is taken from the head's own shapes: least squares on the way from the incisors'
edges to the lip's rim, with the least change of a few weights (a ridge), each within [0, 1].
"""

from __future__ import annotations

import numpy as np
import torch

from animate.visemes import LABIODENTAL, plain
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.head import Head
from flame_tools.smooth import smooth_step
from flame_tools.types import FaceParams, Intervals

CONTACT_MM = 2.0  # a lower lip within this of the edges of the upper incisors touches them: skin, lip and mesh give way
_MIDDLE = 0.4  # share of the mouth's width over which lip and incisors are looked at: the four incisors'
_EDGE_MM = 1.5  # incisors' vertices this near to the lowest one are their edges
_OFF_MM = np.array([0.1, 0.65])  # where the lip's rim goes, up and ahead of the edges: skin on them, not in them
_BLOCK = 512  # frames posed together
# How readily each weight gives way: units of it that cost as much as mouthRollLower's one. Jaw and mouthClose move the
# lip 30 mm a unit and are to stay small; what pushes it forward may go, and is not added.
_GIVES = {
    "mouthRollLower": 1.0, "mouthPucker": 0.4, "mouthFunnel": 0.4, "jawForward": 0.4, "mouthShrugLower": 0.4,
    "mouthLowerDown_": 0.2, "jawOpen": 0.06, "mouthClose": 0.06,
}  # fmt: skip
_ONLY_LESS = ("mouthPucker", "mouthFunnel", "jawForward", "mouthShrugLower")
_RIDGE = 0.05  # mm^2 that a lip may stay away by, against a unit's worth of change
_BEFORE_S, _AFTER_S = 0.110, 0.100  # the way to the teeth and off them


def _weights(**units: float) -> np.ndarray:
    """ARKit weights [52]; "X_" stands for XLeft and XRight."""
    out = np.zeros(len(ARKIT_NAMES))
    for name, unit in units.items():
        out[[INDEX[name]] if name in INDEX else [INDEX[name[:-1] + side] for side in ("Left", "Right")]] = unit
    return out


_DIRECTIONS = np.stack([_weights(**{name: 1.0}) for name in _GIVES])  # [C, 52]
_DIRECTIONS[list(_GIVES).index("mouthClose")] += _weights(mouthUpperUp_=0.8)  # else it lowers the upper lip
_FIRST = _DIRECTIONS.argmax(1)  # of each, the weight that stands for it
_EASE = np.square(list(_GIVES.values()))
_LESS = np.isin(list(_GIVES), _ONLY_LESS)


class Bite:
    """The middle of one person's lower lip and the edges of the upper incisors, and nothing else of the head."""

    def __init__(self, person: Head, lip: np.ndarray, edge: np.ndarray):
        """`person` is baked; `lip` [t, 3] are triangles, `edge` [n] vertices of it. See `bite_of`."""
        used, rows = np.unique(np.concatenate([lip.ravel(), edge]), return_inverse=True)
        self.head = person.only(torch.as_tensor(used))
        corners, self._edge = rows[: lip.size].reshape(-1, 3), rows[lip.size :]
        # Points a third of a side apart, each a row that weighs vertices.
        thirds = np.array([(i, j, 3 - i - j) for i in range(4) for j in range(4 - i)]) / 3
        points = thirds @ np.eye(len(used))[corners]  # [t, 10, n]
        self._points = np.unique(points.reshape(-1, len(used)).round(4), axis=0).astype(np.float32)
        # The rim is what of the lip lies nearest to the edges when it is rolled in.
        rolled = self._posed(_weights(mouthRollLower=1.0, jawOpen=0.1)[None])
        apart = self._apart(rolled)[0]
        rim = np.unique(apart.argmin(0))
        front = self._edge[np.unique(apart[rim].argmin(1))]
        self._way = self._points[rim].mean(0) - np.eye(len(used))[front].mean(0)  # from the edges to the rim
        # Slopes of this head's own shapes: they are linear but for the jaw, which turns little.
        probe, unit = _weights(mouthRollLower=0.8, jawOpen=0.1), 0.05
        self._slopes = (self._ways(probe + unit * _DIRECTIONS) - self._ways(probe[None])) / unit  # [C, 2] mm

    def distances_mm(self, params: FaceParams) -> np.ndarray:
        """Distance [T] in mm between the lower lip's middle and the incisors' edges, whatever the head's pose."""
        still, out = params.in_head_frame(), np.zeros(len(params.expression))
        for at in range(0, len(out), _BLOCK):
            rows = slice(at, at + _BLOCK)
            out[rows] = self._apart(self._vertices(still.frame(rows))).min((1, 2))
        return out

    def reached(self, weights: np.ndarray) -> np.ndarray:
        """ARKit weights [T, 52] with the least change that brings the lip's rim to the teeth, as far as it goes."""
        start = weights[:, _FIRST]
        low, high = -start, np.where(_LESS, 0.0, 1.0 - start)
        change, out = np.zeros_like(start), weights
        for _ in range(4):
            goal = _OFF_MM - self._ways(out) + change @ self._slopes
            change = _least(self._slopes, goal, change, low, high)
            out = np.clip(weights + change @ _DIRECTIONS, 0.0, 1.0)
        return out

    def _ways(self, weights: np.ndarray) -> np.ndarray:
        """From the incisors' edges to the lip's rim [T, 2]: up and ahead, mm."""
        return (self._way @ self._posed(weights))[:, 1:]

    def _posed(self, weights: np.ndarray) -> np.ndarray:
        return self._vertices(to_params(torch.as_tensor(weights, dtype=torch.float32), self.head))

    def _vertices(self, params: FaceParams) -> np.ndarray:  # [T, n, 3] mm
        with torch.no_grad():
            return 1e3 * self.head.vertices(params).numpy()

    def _apart(self, posed: np.ndarray) -> np.ndarray:
        """Distances [T, points, edge vertices] in mm."""
        return np.linalg.norm((self._points @ posed)[:, :, None] - posed[:, None, self._edge], axis=-1)


def _least(slopes, goal, start, low, high) -> np.ndarray:
    """Changes [T, C] within bounds that go `goal` [T, 2] by `slopes` [C, 2]: least squares with a ridge.

    By coordinate descent from `start` [T, C], which converges to the one answer of a convex problem in a box.
    """
    change, left = start.copy(), goal - start @ slopes
    for _ in range(25):
        for c, slope in enumerate(slopes):
            best = (left + change[:, c, None] * slope) @ slope / (slope @ slope + _RIDGE / _EASE[c])
            best = np.clip(best, low[:, c], high[:, c])
            left = left - (best - change[:, c])[:, None] * slope
            change[:, c] = best
    return change


def bite_of(person: Head) -> Bite | None:
    """Of a baked head; None where it has no lips with teeth behind them."""
    regions, rest = person.arrays.regions, person.v_template.numpy()
    pairs = person.arrays.inner_lip_pairs
    if "lips" not in regions or "teeth" not in regions or not len(pairs):
        return None
    opened = torch.as_tensor(_weights(jawOpen=1.0)[None], dtype=torch.float32)
    with torch.no_grad():
        fall = rest[:, 1] - person.vertices(to_params(opened, person))[0, :, 1].numpy()
    low = fall > 0.5 * fall[pairs[:, 1]].max()  # goes with the jaw
    x = rest[pairs, 0].mean(1)
    near = np.abs(rest[:, 0] - (x.max() + x.min()) / 2) <= _MIDDLE * (x.max() - x.min()) / 2
    lip = np.isin(np.arange(len(rest)), regions["lips"]) & low & near
    triangles = person.arrays.faces[lip[person.arrays.faces].all(1)]
    incisors = np.asarray(regions["teeth"])
    incisors = incisors[near[incisors] & ~low[incisors]]
    if not len(triangles) or not len(incisors):
        return None
    # Behind the mouth's middle there may be molars: the edges are those of what stands furthest in front.
    front = incisors[rest[incisors, 2] > rest[incisors, 2].max() - 0.006]
    edge = front[rest[front, 1] < rest[front, 1].min() + _EDGE_MM / 1e3]
    return Bite(person, triangles, edge)


def holds(phones: Intervals, times: np.ndarray) -> np.ndarray:
    """How far the lip is to be at the teeth, [T] in [0, 1]: 1 at every F and V, at the frame nearest to it at least."""
    out = np.zeros(len(times))
    for name, start, end in zip(phones.names, phones.start_s, phones.end_s, strict=True):
        if plain(name) not in LABIODENTAL or not len(times):
            continue
        key = times[int(np.argmin(np.abs(times - (start + end) / 2)))]
        first, last = min(start + 0.3 * (end - start), key), max(end - 0.3 * (end - start), key)
        rows = slice(*np.searchsorted(times, [first - _BEFORE_S, last + _AFTER_S + 1e-9]))
        t = times[rows]
        way = np.minimum((t - first + _BEFORE_S) / _BEFORE_S, (last + _AFTER_S - t) / _AFTER_S)
        out[rows] = np.maximum(out[rows], smooth_step(way + 1e-9))
    return out


def bitten(
    weights: np.ndarray,  # [T, 52] with lips that meet
    hold: np.ndarray,  # [T] in [0, 1] of `holds`
    shut: np.ndarray,  # [T] in [0, 1], `Closures.hold`: lips that are shut stay so
    bite: Bite | None,
) -> np.ndarray:  # [T, 52]
    """Bring the lower lip to the upper teeth, as far as `hold` says."""
    share = np.minimum(hold, 2 * (1 - shut))
    some = np.flatnonzero(share > 1e-3)
    if bite is None or not len(some):
        return weights
    out = weights.copy()
    out[some] += share[some, None] * (bite.reached(weights[some]) - weights[some])
    return out
