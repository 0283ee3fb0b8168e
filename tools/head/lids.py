"""Eyelids that close for every identity: eyelid_dirs and eyelid_shapedirs.

A lid's offset is quadratic in its weight l: `l D + 4 l (1 - l) B`. D takes the lid from rest to shut; B lifts the path
in between from the chord to the arc round the ball. Both margins go to one seam a little above where the lower margin
rests: the upper lid travels, the lower one rises slightly and slides towards the nose. The seam is a fixed blend of
both margins, so it is linear in identity, and it closes in every head. The skin above turns about the ball, the
pretarsal part with the margin, the fold less and less; farther away the artist's eyeBlink shape is followed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.head.arkit import artist_shapes
from tools.head.cut import Assembly
from tools.head.eyes import RADIUS
from tools.head.lid_fit import LID_THICKNESS, LeftEye, fit_linear, left_eye, parity
from tools.head.lid_rings import COLUMNS, LOWER, SKIN_LOOPS, UPPER

MARGIN = 3  # loops 0..2 make the margin
LOWER_RISE = 0.14  # height of the seam over the lower margin, as a share of the opening
NASAL_SLIDE = 0.045  # how far the lower lid slides towards the nose, as a share of its length
# When shut the upper lid's rim laps over the lower one's, so that the seam is one clean edge without slits of light.
UPPER_LAP, LOWER_LAP = -0.0001, 0.00003  # metres along y that a margin goes beyond the seam
FRONT_LAP = 0.00005  # metres that the upper rim comes forward, and the lower one goes back
# How much of the margin's turn the loops from the front edge outwards follow, and the conjunctiva inwards.
UPPER_FOLLOWS = (1.0, 1.0, 0.98, 0.92, 0.80, 0.58, 0.30, 0.12)
LOWER_FOLLOWS = (1.0, 0.95, 0.86, 0.72, 0.54, 0.36, 0.20, 0.08)
INNER_FOLLOWS = (0.85, 0.6, 0.4, 0.2, 0.08)
ARTIST_SHARE = 0.75  # of eyeBlink beyond the loops: the artist's lid travels farther than ours
ARTIST_FROM = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4, 0.8)  # and on the loops, instead of the turn
FLATTEN = 0.25  # a shut lid lies closer to the ball: share of its bulge beyond the front edge that goes


@dataclass(frozen=True, eq=False)
class Lids:
    """The lids' motion, as HeadArrays holds it (N vertices)."""

    vertices: np.ndarray  # [N]
    dirs: np.ndarray  # [N, 3, 4] metres
    shapedirs: np.ndarray  # [N, 3, 4, S]
    margins: dict[str, np.ndarray]  # region name -> vertices from the nasal to the temporal corner


def build_lids(assembly: Assembly, template: np.ndarray, shapedirs: np.ndarray) -> Lids:
    """Lids of a settled head (`lid_fit.settle_eyes`)."""
    eye = left_eye(assembly, template, shapedirs)
    blink = artist_shapes(assembly)["eyeBlinkLeft"] * ARTIST_SHARE
    blink[assembly.ranges["skin"].stop :] = 0.0
    blink[eye.rings.bag] = 0.0
    grid = np.concatenate([eye.rings.skin.ravel(), eye.rings.inner.ravel()])
    blend = Seam.of(eye)

    def motion(shapes: np.ndarray) -> np.ndarray:
        return np.stack(_shut(eye, blend, shapes, blink), -1)

    fitted, fitted_dirs = fit_linear(motion, shapedirs.shape[-1])  # [n, 3, 2], [n, 3, 2, S]
    far = np.setdiff1d(np.flatnonzero(np.abs(blink).max(1) > 1e-5), grid)
    moved = np.concatenate([grid, far])
    dirs = np.zeros((len(moved), 3, 2))
    dirs[: len(grid)] = fitted
    dirs[len(grid) :, :, 0] = blink[far]
    dirs_by_shape = np.zeros((*dirs.shape, shapedirs.shape[-1]))
    dirs_by_shape[: len(grid)] = fitted_dirs
    return _both_sides(
        assembly, moved, dirs, dirs_by_shape, parity(shapedirs, assembly.mirror), _margins(assembly, eye)
    )


def _both_sides(assembly, moved, dirs, dirs_by_shape, sign, margins) -> Lids:
    """The left lid's offsets and their mirror image, in the features' order [l, r, bulge l, bulge r]."""
    twin = assembly.mirror[moved]
    vertices = np.unique(np.concatenate([moved, twin]))
    left, right = np.searchsorted(vertices, moved), np.searchsorted(vertices, twin)
    flip = np.array([-1.0, 1.0, 1.0])[:, None]
    all_dirs = np.zeros((len(vertices), 3, 4))
    all_shapedirs = np.zeros((len(vertices), 3, 4, len(sign)))
    all_dirs[left, :, 0::2] = dirs
    all_dirs[right, :, 1::2] = dirs * flip
    all_shapedirs[left, :, 0::2] = dirs_by_shape
    all_shapedirs[right, :, 1::2] = dirs_by_shape * flip[..., None] * sign
    return Lids(vertices, all_dirs, all_shapedirs, margins)


@dataclass(frozen=True, eq=False)
class Seam:
    """Where each margin vertex finds its partners across the opening, on each loop of the margin.

    `own` and `across` [3, 28, 28] give, from a loop's points [28, 3], the point on a column's own lid and on the other
    lid that its seam point blends; rows sum to 1. `is_upper` [28] marks the upper lid's columns.
    """

    own: np.ndarray
    across: np.ndarray
    is_upper: np.ndarray

    @staticmethod
    def of(eye: LeftEye) -> Seam:
        own, across = np.zeros((2, MARGIN, COLUMNS, COLUMNS))
        for loop in range(MARGIN):
            points = eye.template[eye.rings.skin[loop]]
            along = {lid: _arc(points[columns]) for lid, columns in (("upper", UPPER), ("lower", LOWER))}
            for lid, other, columns, others in (
                ("upper", "lower", UPPER, LOWER),
                ("lower", "upper", LOWER, UPPER),
            ):
                slide = NASAL_SLIDE if lid == "lower" else 0.0
                at = along[lid] - slide * np.sin(np.pi * along[lid])
                own[loop][columns[:, None], columns] = _hats(at, along[lid])
                across[loop][columns[:, None], others] = _hats(at, along[other])
        is_upper = np.zeros(COLUMNS, bool)
        is_upper[UPPER] = True
        return Seam(own, across, is_upper)


def _arc(points: np.ndarray) -> np.ndarray:
    """Place of points [n, 3] along their polyline, 0 to 1."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return length / length[-1]


def _hats(at: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Weights [m, n] of linear interpolation between nodes [n] at places [m]."""
    return np.stack([np.interp(at, nodes, unit) for unit in np.eye(len(nodes))], 1)


def _shut(eye: LeftEye, seam: Seam, shapes: np.ndarray, blink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """D and B, both [K, n, 3], of the loops and the inner loops for identities [K, S]."""
    skin, inner = eye.rings.skin, eye.rings.inner
    points, centre = eye.identities(shapes, np.concatenate([skin.ravel(), inner.ravel()]))
    out = (points - centre[:, None]).reshape(len(shapes), -1, COLUMNS, 3)  # [K, loops, 28, 3]
    reach = np.linalg.norm(out, axis=-1)
    shut_reach = reach.copy()
    turn = np.zeros_like(out)  # rotation vectors about the ball's centre
    for loop in range(MARGIN):
        target, shut_reach[:, loop] = _seam_point(seam, loop, out[:, loop], reach[:, loop])
        turn[:, loop] = _turn_between(out[:, loop], target)
    follows = np.where(seam.is_upper, np.array(UPPER_FOLLOWS)[:, None], np.array(LOWER_FOLLOWS)[:, None])
    turn[:, MARGIN:SKIN_LOOPS] = turn[:, MARGIN - 1, None] * follows[..., None]
    turn[:, SKIN_LOOPS:] = turn[:, 0, None] * np.array(INNER_FOLLOWS)[:, None, None]
    bulge = np.maximum(reach[:, MARGIN:SKIN_LOOPS] - RADIUS - LID_THICKNESS, 0.0)
    opened = np.linalg.norm(turn[:, MARGIN - 1], axis=-1)[:, None]  # [K, 1, 28] radians
    shut_reach[:, MARGIN:SKIN_LOOPS] -= FLATTEN * bulge * np.minimum(opened / 0.4, 1.0) * follows * seam.is_upper
    unit = out / reach[..., None]
    shut = _rotate(unit, turn) * shut_reach[..., None]
    half = _rotate(unit, 0.5 * turn) * (0.5 * (reach + shut_reach))[..., None]
    full, lift = shut - out, half - 0.5 * (out + shut)
    share = np.array(ARTIST_FROM)[:, None, None] * seam.is_upper[:, None]
    outer = slice(MARGIN, SKIN_LOOPS)
    full[:, outer] = (1.0 - share) * full[:, outer] + share * blink[skin[MARGIN:]]
    lift[:, outer] *= 1.0 - share
    return full.reshape(points.shape), lift.reshape(points.shape)


def _seam_point(seam: Seam, loop: int, out: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seam points [K, 28, 3] about the ball's centre and their distances [K, 28] from it."""
    own, across = seam.own[loop] @ out, seam.across[loop] @ out
    rise = np.where(seam.is_upper, 1.0 - LOWER_RISE, LOWER_RISE)[:, None]
    point = own + rise * (across - own)
    open_share = np.minimum(np.linalg.norm(across - own, axis=-1) / 0.002, 1.0)  # nothing to lap at the corners
    point[..., 1] += np.where(seam.is_upper, UPPER_LAP, LOWER_LAP) * open_share
    forward = np.where(seam.is_upper, FRONT_LAP, -FRONT_LAP) * (loop / (MARGIN - 1))
    return point, 0.5 * (reach @ seam.own[loop].T + reach @ seam.across[loop].T) + forward * open_share


def _turn_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Rotation vectors [..., 3] of the shortest turns from directions `start` to `end`."""
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (start * end).sum(-1, keepdims=True))
    return axis * (angle / np.maximum(sine, 1e-15))


def _rotate(vectors: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Rodrigues: vectors [..., 3] turned by rotation vectors [..., 3]."""
    angle = np.linalg.norm(turn, axis=-1, keepdims=True)
    axis = turn / np.maximum(angle, 1e-15)
    along = (axis * vectors).sum(-1, keepdims=True) * axis
    return along + (vectors - along) * np.cos(angle) + np.cross(axis, vectors) * np.sin(angle)


def _margins(assembly: Assembly, eye: LeftEye) -> dict[str, np.ndarray]:
    """Front rims of the margins, upper and lower paired: row i of one meets row i of the other when shut."""
    points = eye.template[eye.rings.skin[MARGIN - 1]]
    upper, lower = _arc(points[UPPER]), _arc(points[LOWER])
    partner = LOWER[np.abs(upper[:, None] - lower).argmin(1)]
    rim = eye.rings.skin[MARGIN - 1]
    left = {"upper_lid_margin": rim[UPPER], "lower_lid_margin": rim[partner]}
    return {f"left_{name}": row for name, row in left.items()} | {
        f"right_{name}": assembly.mirror[row] for name, row in left.items()
    }
