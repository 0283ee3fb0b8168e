"""The fast twin of `residuals.plainly` and of `LandmarkModel.points`: one face at its landmarks, without the GIL.

A residual is a function of one landmark, so its row of the Jacobian is its covector (the residual's derivative by the
landmark's place) pulled back through the head; no derivative of a place is ever stored.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, types, void

from flame_tools.compiled import kernel
from flame_tools.surface.eyeball import IRIS_RADIUS_M
from recon.fitting.priors import DISTANCE_LOG_SD, DISTANCE_M, GAZE_APART_SD, IRIS_SD


class Terms(NamedTuple):
    """A LandmarkModel of L landmarks, S identities and F coefficients of identity and expression.

    A landmark is the sum of its terms, which follow one another: itself, and itself times the weight of each joint
    (jaw, left eye, right eye) that turns it. A term is linear in W = F + 32 features: the coefficients, R - I of the
    three joints row by row, four of the lids (left, right, and how far along their arcs), and 1.
    """

    first: np.ndarray  # [L + 1] of each landmark's terms; the last is their number N
    joint: np.ndarray  # [N] -1 for the landmark itself, or 0..2
    values: np.ndarray  # [N, 3, W]
    lid: np.ndarray  # [N] row of lid_shapedirs, or -1
    lid_shapedirs: np.ndarray  # [n, 3, 4, S]: how the lids' values change with identity
    share: np.ndarray  # [L, 3] weights of the joints
    joint_template: np.ndarray  # [5, 3]
    joint_basis: np.ndarray  # [5, 3, F]
    joints_move: bool  # whether joint_basis holds anything


class Targets(NamedTuple):
    """What one picture says, for R landmarks (the last two are the irises' centres) and P gaps between them.

    And how S motions of the face's two sides belong together.
    """

    rows: np.ndarray  # [R] the landmarks' numbers in the model
    places: np.ndarray  # [R, 2] pixels from the picture's middle
    metric: np.ndarray  # [R, 2, 2] takes pixels to standard deviations
    upper: np.ndarray  # [P] places in `rows`
    lower: np.ndarray  # [P]
    closer: np.ndarray  # [P, 2] pixels by which a gap is smaller than it is read
    gap: np.ndarray  # [P] a pixel in standard deviations
    rotation: np.ndarray  # [3, 3] of the world into the camera's axes, and
    shift: np.ndarray  # [3] metres, as in recon.fitting.observation.View.axes
    iris_radius: np.ndarray  # [2] pixels: right, left
    left: np.ndarray  # [S] unknowns that are what a face does on its left,
    right: np.ndarray  # [S] and on its right
    apart: np.ndarray  # [S] their difference in standard deviations


_I, _V, _M, _A3, _A4 = int64[::1], float64[::1], float64[:, ::1], float64[:, :, ::1], float64[:, :, :, ::1]
TERMS = types.NamedTuple((_I, _I, _A3, _I, _A4, _M, _M, _A3, boolean), Terms)
TARGETS = types.NamedTuple((_I, _M, _A3, _I, _I, _M, _V, _M, _V, _V, _I, _I, _V), Targets)
INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def pack(model) -> Terms:
    """A `LandmarkModel` as the kernels read it: terms that are 0 whatever the unknowns are left out."""
    landmarks, joints = np.nonzero(np.concatenate([np.ones_like(model.share[:1]), model.share]).T)
    marks, size = len(model), model.basis.shape[-1]
    row = np.full(4, -1)  # of each set in what bases and lids move
    row[model.sets] = np.arange(len(model.sets))
    place = np.full(marks, -1)
    place[model.lid_marks] = np.arange(len(model.lid_marks))
    row, place = row[joints], place[landmarks]
    moved, on_lid = row >= 0, (row >= 0) & (place >= 0)
    values = np.zeros((len(joints), 3, size + 32))  # basis, poses, lids, template
    values[moved, :, :size] = model.basis[row[moved], :, landmarks[moved]]
    values[..., size : size + 27] = model.poses[joints, :, landmarks]
    values[on_lid, :, size + 27 : size + 31] = model.lid_dirs[row[on_lid], :, place[on_lid]]
    values[..., -1] = model.template[joints, :, landmarks]
    bent = on_lid.copy()
    bent[on_lid] = model.lid_shapedirs.any((1, 3, 4))[row[on_lid], place[on_lid]]
    return Terms(
        first=np.searchsorted(landmarks, np.arange(marks + 1)).astype(np.int64),
        joint=joints.astype(np.int64) - 1,
        values=values,
        lid=np.where(bent, np.cumsum(bent) - 1, -1).astype(np.int64),
        lid_shapedirs=np.ascontiguousarray(model.lid_shapedirs[row[bent], :, place[bent]]),
        share=np.ascontiguousarray(model.share.T),
        joint_template=np.ascontiguousarray(model.joint_template, np.float64),
        joint_basis=np.ascontiguousarray(model.joint_basis, np.float64),
        joints_move=bool(model.joint_basis.any()),
    )


@kernel(void(float64, float64, float64, _M), **INNER)
def _turn(x, y, z, out):
    """`rotation_matrix` of (x, y, z)."""
    square = x * x + y * y + z * z
    angle = math.sqrt(square)
    sine, cosine = 1 - square / 6, 0.5 - square / 24
    if angle > 1e-4:
        sine, cosine = math.sin(angle) / angle, (1 - math.cos(angle)) / square
    c = 1 - cosine * square
    out[0, 0], out[0, 1], out[0, 2] = c + cosine * x * x, cosine * x * y - sine * z, cosine * x * z + sine * y
    out[1, 0], out[1, 1], out[1, 2] = cosine * x * y + sine * z, c + cosine * y * y, cosine * y * z - sine * x
    out[2, 0], out[2, 1], out[2, 2] = cosine * x * z - sine * y, cosine * y * z + sine * x, c + cosine * z * z


@kernel(void(float64, float64, float64, _M, _A3), **INNER)
def _turn_derivatives(x, y, z, turn, out):
    """`rotation_derivatives` of (x, y, z), whose matrix is `turn`."""
    square = x * x + y * y + z * z
    angle = math.sqrt(square)
    a, b = 0.5 - square / 24, 1 / 6 - square / 120
    if angle > 1e-4:
        a, b = (1 - math.cos(angle)) / square, (1 - math.sin(angle) / angle) / square
    c = 1 - b * square
    left = (
        (c + b * x * x, b * x * y + a * z, b * x * z - a * y),
        (b * x * y - a * z, c + b * y * y, b * y * z + a * x),
        (b * x * z + a * y, b * y * z - a * x, c + b * z * z),
    )
    for k in range(3):
        u, v, w = left[k]
        for i in range(3):
            out[k, 0, i] = v * turn[2, i] - w * turn[1, i]
            out[k, 1, i] = w * turn[0, i] - u * turn[2, i]
            out[k, 2, i] = u * turn[1, i] - v * turn[0, i]


@kernel(void(TERMS, _V, _V, _A3, _M), **INNER)
def _features(terms, x, features, less, joints):
    """The features [W] at x [K]; R - I [3, 3, 3] of jaw and eyes; joints [5, 3] before the head turns."""
    joint_template, joint_basis = terms.joint_template, terms.joint_basis
    count, turn = joint_basis.shape[2], np.empty((3, 3))
    for k in range(count):
        features[k] = x[k]
    for j in range(3):
        _turn(x[count + 2 * j], x[count + 2 * j + 1], 0.0, turn)
        for c in range(3):
            turn[c, c] -= 1
            for d in range(3):
                less[j, c, d] = features[count + 9 * j + 3 * c + d] = turn[c, d]
    for side in range(2):
        lid = x[count + 6 + side]
        features[count + 27 + side], features[count + 29 + side] = lid, 4 * lid * (1 - lid)
    features[count + 31] = 1
    for j in range(5):
        for c in range(3):
            total = joint_template[j, c]
            for k in range(count):
                total += joint_basis[j, c, k] * x[k]
            joints[j, c] = total


@kernel(void(TERMS, _V, _V, _A3, _M, _M, _A3, _M, _M), **INNER)
def _place(terms, x, features, less, joints, rest, lids, arms, points):
    """Landmarks `points` [L, 3] in the world, metres.

    Kept for derivatives: terms `rest` [N, 3] unturned, `lids` [n, 3, 4], landmarks `arms` [L, 3] from the root.
    """
    first, joint, values, share, shapedirs = terms.first, terms.joint, terms.values, terms.share, terms.lid_shapedirs
    count, width, shapes = len(features) - 32, len(features), shapedirs.shape[3]
    turn, arm = np.empty((3, 3)), np.empty(3)
    _turn(x[count + 8], x[count + 9], x[count + 10], turn)
    for mark in range(len(arms)):
        for c in range(3):
            arm[c] = -joints[0, c]
        for t in range(first[mark], first[mark + 1]):
            r0 = r1 = r2 = 0.0
            for k in range(width):
                r0 += values[t, 0, k] * features[k]
                r1 += values[t, 1, k] * features[k]
                r2 += values[t, 2, k] * features[k]
            rest[t, 0], rest[t, 1], rest[t, 2] = r0, r1, r2
            lid = terms.lid[t]
            if lid >= 0:
                for c in range(3):
                    for f in range(4):
                        total = 0.0
                        for k in range(shapes):
                            total += shapedirs[lid, c, f, k] * x[k]
                        lids[lid, c, f] = total
                        rest[t, c] += total * features[count + 27 + f]
            j = joint[t]
            for c in range(3):
                if j < 0:
                    arm[c] += rest[t, c]
                else:  # turned about its joint: (R - I)(place - joint)
                    for d in range(3):
                        arm[c] += less[j, c, d] * (rest[t, d] - share[mark, j] * joints[2 + j, d])
        for c in range(3):
            arms[mark, c] = arm[c]
            turned = turn[c, 0] * arm[0] + turn[c, 1] * arm[1] + turn[c, 2] * arm[2]
            points[mark, c] = turned + joints[0, c] + x[count + 11 + c]


@kernel(_M(TERMS, _V))
def points_of(terms, x):
    """Unknowns [K] -> landmarks [L, 3] in the world, metres."""
    features, less, joints = np.empty(terms.values.shape[2]), np.empty((3, 3, 3)), np.empty((5, 3))
    rest, lids = np.empty(terms.values.shape[:2]), np.empty(terms.lid_shapedirs.shape[:3])
    arms, points = np.empty(terms.share.shape), np.empty(terms.share.shape)
    _features(terms, x, features, less, joints)
    _place(terms, x, features, less, joints, rest, lids, arms, points)
    return points


@kernel(void(TERMS, _V, int64, _V, _V, _A3, _M, _M, _A3, _M, _A3, _A3, _M, _V, _V), **INNER)
def _pull_back(
    terms, x, mark, pull, features, less, joints, rest, lids, arms, changes, turn_changes, turn, by_feature, out
):
    """Derivative `out` [K] of a residual by the unknowns, from its covector `pull` [3] by the place of one landmark.

    `changes` [6, 3, 3]: the derivatives of R by x and y of jaw, left and right eye; `turn_changes` [3, 3, 3] likewise.
    """
    first, joint, values, share = terms.first, terms.joint, terms.values, terms.share
    joint_basis, shapedirs = terms.joint_basis, terms.lid_shapedirs
    count, shapes = len(features) - 32, shapedirs.shape[3]
    w0, w1, w2 = pull[0], pull[1], pull[2]
    u0 = w0 * turn[0, 0] + w1 * turn[1, 0] + w2 * turn[2, 0]  # in the head's frame
    u1 = w0 * turn[0, 1] + w1 * turn[1, 1] + w2 * turn[2, 1]
    u2 = w0 * turn[0, 2] + w1 * turn[1, 2] + w2 * turn[2, 2]
    for k in range(len(features)):
        by_feature[k] = 0.0
    for k in range(count, count + 6):
        out[k] = 0.0
    if terms.joints_move:
        for k in range(count):
            held = (w0 - u0) * joint_basis[0, 0, k] + (w1 - u1) * joint_basis[0, 1, k]
            by_feature[k] = held + (w2 - u2) * joint_basis[0, 2, k]
    for t in range(first[mark], first[mark + 1]):
        j = joint[t]
        m0, m1, m2 = u0, u1, u2
        if j >= 0:
            m0 = less[j, 0, 0] * u0 + less[j, 1, 0] * u1 + less[j, 2, 0] * u2
            m1 = less[j, 0, 1] * u0 + less[j, 1, 1] * u1 + less[j, 2, 1] * u2
            m2 = less[j, 0, 2] * u0 + less[j, 1, 2] * u1 + less[j, 2, 2] * u2
            weight = share[mark, j]
            if terms.joints_move:
                for k in range(count):
                    held = m0 * joint_basis[2 + j, 0, k] + m1 * joint_basis[2 + j, 1, k]
                    by_feature[k] -= weight * (held + m2 * joint_basis[2 + j, 2, k])
            for q in range(2 * j, 2 * j + 2):
                for d in range(3):
                    arm = rest[t, d] - weight * joints[2 + j, d]
                    out[count + q] += (u0 * changes[q, 0, d] + u1 * changes[q, 1, d] + u2 * changes[q, 2, d]) * arm
        for k in range(count + 31):
            by_feature[k] += m0 * values[t, 0, k] + m1 * values[t, 1, k] + m2 * values[t, 2, k]
        lid = terms.lid[t]
        if lid >= 0:
            for f in range(4):
                by_feature[count + 27 + f] += m0 * lids[lid, 0, f] + m1 * lids[lid, 1, f] + m2 * lids[lid, 2, f]
                p0, p1, p2 = m0 * features[count + 27 + f], m1 * features[count + 27 + f], m2 * features[count + 27 + f]
                for k in range(shapes):
                    by_feature[k] += (
                        p0 * shapedirs[lid, 0, f, k] + p1 * shapedirs[lid, 1, f, k] + p2 * shapedirs[lid, 2, f, k]
                    )
    for k in range(count):
        out[k] = by_feature[k]
    for q in range(6):
        for k in range(9):
            out[count + q] += by_feature[count + 9 * (q // 2) + k] * changes[q, k // 3, k % 3]
    for side in range(2):
        arc = 4 - 8 * x[count + 6 + side]
        out[count + 6 + side] = by_feature[count + 27 + side] + by_feature[count + 29 + side] * arc
    for q in range(3):
        total = 0.0
        for c in range(3):
            for d in range(3):
                total += pull[c] * turn_changes[q, c, d] * arms[mark, d]
        out[count + 8 + q] = total
        out[count + 11 + q] = pull[q]


@kernel(void(TERMS, TARGETS, _V, _M, _A3))
def residuals_of(terms, targets, x, r, jacobian):
    """What `residuals.plainly` gives: r [R + P + 3 + S, 2]; and its derivatives [..., K], unless empty."""
    features, less, joints = np.empty(terms.values.shape[2]), np.empty((3, 3, 3)), np.empty((5, 3))
    rest, lids = np.empty(terms.values.shape[:2]), np.empty(terms.lid_shapedirs.shape[:3])
    arms, points = np.empty(terms.share.shape), np.empty(terms.share.shape)
    _features(terms, x, features, less, joints)
    _place(terms, x, features, less, joints, rest, lids, arms, points)

    rows, places, metric, upper, lower = targets.rows, targets.places, targets.metric, targets.upper, targets.lower
    rotation, gap = targets.rotation, targets.gap
    seen, gaps, last = len(rows), len(upper), len(x) - 1
    eyes, side, iris = last - 12, seen - 2, seen + gaps
    focal = math.exp(x[last])
    image, depth, off = np.empty((seen, 2)), np.empty(seen), np.empty((seen, 2))
    for n in range(seen):
        for c in range(2, -1, -1):
            at = targets.shift[c]
            for d in range(3):
                at += rotation[c, d] * points[rows[n], d]
            if c == 2:
                depth[n] = max(at, 1e-3)
            else:
                image[n, c] = focal * at / depth[n]
                off[n, c] = image[n, c] - places[n, c]
        for c in range(2):
            r[n, c] = metric[n, c, 0] * off[n, 0] + metric[n, c, 1] * off[n, 1]
    for p in range(gaps):
        for c in range(2):
            r[seen + p, c] = (off[upper[p], c] - off[lower[p], c] + targets.closer[p, c]) * gap[p]
    near, iris_sd = (depth[side] + depth[side + 1]) / 2, IRIS_SD * math.sqrt(2)
    for c in range(2):
        r[iris, c] = math.log(focal * IRIS_RADIUS_M / depth[side + c] / targets.iris_radius[c]) / iris_sd
        r[iris + 2, c] = (x[eyes + c] - x[eyes + 2 + c]) / (GAZE_APART_SD * (0.5 + 0.5 * c))
    r[iris + 1, 0], r[iris + 1, 1] = math.log(near / DISTANCE_M) / DISTANCE_LOG_SD, 0.0
    for s in range(len(targets.left)):
        r[iris + 3 + s, 0], r[iris + 3 + s, 1] = (x[targets.left[s]] - x[targets.right[s]]) * targets.apart[s], 0.0
    if len(jacobian) == 0:
        return

    changes, turn_changes, turn = np.empty((6, 3, 3)), np.empty((3, 3, 3)), np.empty((3, 3))
    for axis in range(4):  # jaw, eyes, head
        first, roll = eyes - 2 + 2 * axis, 0.0
        if axis == 3:
            first, roll = eyes + 6, x[eyes + 8]
        _turn(x[first], x[first + 1], roll, turn)
        _turn_derivatives(x[first], x[first + 1], roll, turn, turn_changes)
        if axis < 3:
            for q in range(2):
                for c in range(3):
                    for d in range(3):
                        changes[2 * axis + q, c, d] = turn_changes[q, c, d]
    pull, by_feature, row = np.empty(3), np.empty(len(features)), np.empty(len(x))
    for n in range(iris, len(r)):
        for c in range(2):
            for k in range(last + 1):
                jacobian[n, c, k] = 0.0
    for n in range(seen):
        for c in range(3 if n >= side else 2):  # x, y of the picture; of the irises, depth
            for d in range(3):
                pull[d] = (
                    rotation[2, d] if c == 2 else (focal * rotation[c, d] - image[n, c] * rotation[2, d]) / depth[n]
                )
            _pull_back(
                terms, x, rows[n], pull, features, less, joints, rest, lids, arms, changes, turn_changes, turn,
                by_feature, row,
            )  # fmt: skip
            if c < 2:
                for k in range(last):
                    jacobian[n, c, k] = row[k]
                jacobian[n, c, last] = image[n, c]
            else:
                for k in range(last):
                    jacobian[iris, n - side, k] = -row[k] / (depth[n] * iris_sd)
                    jacobian[iris + 1, 0, k] += row[k] / (2 * near * DISTANCE_LOG_SD)
    for p in range(gaps):
        for c in range(2):
            for k in range(last + 1):
                jacobian[seen + p, c, k] = (jacobian[upper[p], c, k] - jacobian[lower[p], c, k]) * gap[p]
    for n in range(seen):
        for k in range(last + 1):
            across, down = jacobian[n, 0, k], jacobian[n, 1, k]
            jacobian[n, 0, k] = metric[n, 0, 0] * across + metric[n, 0, 1] * down
            jacobian[n, 1, k] = metric[n, 1, 0] * across + metric[n, 1, 1] * down
    for c in range(2):
        sd = GAZE_APART_SD * (0.5 + 0.5 * c)
        jacobian[iris, c, last] = 1 / iris_sd
        jacobian[iris + 2, c, eyes + c], jacobian[iris + 2, c, eyes + 2 + c] = 1 / sd, -1 / sd
    for s in range(len(targets.left)):
        jacobian[iris + 3 + s, 0, targets.left[s]] = targets.apart[s]
        jacobian[iris + 3 + s, 0, targets.right[s]] = -targets.apart[s]
