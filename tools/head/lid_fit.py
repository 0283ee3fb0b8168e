"""Puts the eyeballs where the lids are, and lays the lids on the eyeballs, for every identity.

The ball's centre is the one for which the lids' front edges lie a lid's thickness off the ball; that is linear in the
vertices, so a ball stays a sphere of constant size. Laying the margins on the ball is not linear in identity: it is
done exactly for sampled identities, and the offsets that are linear in the shape parameters are fitted to those.
Only the left eye is worked out: identity components are even or odd, so the right eye is its mirror image to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from flame_tools.errors import ShapeError
from tools.head.cut import Assembly
from tools.head.eyes import RADIUS, unit_ball
from tools.head.lid_rings import COLUMNS, MEDIAL, LidRings, trace_rings

FRONT_EDGE = 3  # loop of the lids' front edge
LID_THICKNESS = 0.0028  # from the ball to the front edge of a lid
TOUCH = 0.0005  # the margin's back edge stays this far off the ball: a tear film, and room for what is not linear
CARUNCLE = 0.0011  # and this much farther at the nasal corner, where the caruncle lies between
UPRIGHT = 0.7  # how far the margin is turned from where the source has it to square on the ball
BAG_GAP = 0.0015  # conjunctiva behind the margin: triangles are long there and their middles sink towards the ball
DROP = 0.0005  # the ball lies lower than the middle of the lids' edges: the upper lid covers the top of the iris
SAMPLE_SD = 2.0  # sampled identities lie within this many standard deviations in each component


@dataclass(frozen=True, eq=False)
class LeftEye:
    """The left eye of a head of V vertices and S shape components."""

    rings: LidRings
    template: np.ndarray  # [V, 3]
    shapedirs: np.ndarray  # [V, 3, S]
    centre: np.ndarray  # [3] of the eyeball, mean identity
    centre_dirs: np.ndarray  # [3, S]

    def identities(self, shapes: np.ndarray, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions [K, n, 3] of `vertices` [n] and ball centres [K, 3] of identities `shapes` [K, S]."""
        moved = self.template[vertices] + np.moveaxis(self.shapedirs[vertices] @ shapes.T, -1, 0)
        return moved, self.centre + shapes @ self.centre_dirs.T


def left_eye(assembly: Assembly, template: np.ndarray, shapedirs: np.ndarray) -> LeftEye:
    """Find the lids and the ball's place."""
    rings = trace_rings(assembly.source, assembly.cut)
    edge = rings.skin[FRONT_EDGE]
    return LeftEye(rings, template, shapedirs, *ball_place(template[edge], shapedirs[edge]))


def parity(shapedirs: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """+1 [S] for components [V, 3, S] that are symmetric, -1 for antisymmetric ones; others are refused."""
    mirrored = shapedirs[mirror] * np.array([-1.0, 1.0, 1.0])[:, None]
    sign = np.where((mirrored * shapedirs).sum((0, 1)) < 0.0, -1.0, 1.0)
    worst = np.abs(mirrored * sign - shapedirs).max(initial=0.0)
    if worst > 1e-7:
        raise ShapeError(f"identity components are {worst * 1e3:.4f} mm off being even or odd; wanted one or the other")
    return sign


def reflected(offsets: np.ndarray, sign: np.ndarray | float = 1.0) -> np.ndarray:
    """Offsets [n, 3] or [n, 3, S] of the mirror image; `sign` [S] is the components' parity."""
    flip = np.array([-1.0, 1.0, 1.0]).reshape(3, *[1] * (offsets.ndim - 2))
    return offsets * flip * sign


def ball_place(edge: np.ndarray, edge_dirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre [3] of the ball behind the lids' front edges [28, 3], and how it follows their shape dirs [28, 3, S]."""
    sides = np.ones(COLUMNS, bool)
    sides[MEDIAL - 2 : MEDIAL + 5] = False  # the nasal corner reaches away from the ball
    points, dirs = edge[sides], edge_dirs[sides]
    reach = RADIUS + LID_THICKNESS
    start = points.mean(0) - [0.0, 0.0, RADIUS]
    fit = least_squares(lambda c: (np.linalg.norm(points - c, axis=1) - reach) * 1e3, start, x_scale=1e-3)
    out = points - fit.x
    normals = out / np.linalg.norm(out, axis=1, keepdims=True)
    length = np.linalg.norm(np.roll(edge, -1, 0) - np.roll(edge, 1, 0), axis=1)
    share = length / length.sum()
    # Gauss-Newton of the fit above, held to the middle of the opening across the line of sight.
    hold = np.diag([0.5, 0.5, 0.0])
    pull = np.einsum("j,ji,jk->jik", share[sides], normals, normals)
    moved = np.einsum("jik,jks->is", pull, dirs) + hold @ np.einsum("j,jks->ks", share, edge_dirs)
    return fit.x - [0.0, DROP, 0.0], np.linalg.solve(pull.sum(0) + hold, moved)


def settle_eyes(assembly: Assembly, template: np.ndarray, shapedirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Template [V, 3] and shapedirs [V, 3, S] with eyeballs in their place and the lids laid on them."""
    eye = left_eye(assembly, template, shapedirs)
    lids = np.concatenate([eye.rings.skin.ravel(), eye.rings.bag])

    def laid(shapes: np.ndarray) -> np.ndarray:
        points, centre = eye.identities(shapes, lids)
        return lay_on_ball(points, centre, eye.rings.skin.size) - points

    offset, offset_dirs = fit_linear(laid, shapedirs.shape[-1])
    sign = parity(shapedirs, assembly.mirror)
    settled, settled_dirs = template.copy(), shapedirs.copy()
    ball = RADIUS * unit_ball()[0]
    left, right = assembly.ranges["left_eyeball"], assembly.ranges["right_eyeball"]
    settled[lids] += offset
    settled_dirs[lids] += offset_dirs
    settled[assembly.mirror[lids]] += reflected(offset)
    settled_dirs[assembly.mirror[lids]] += reflected(offset_dirs, sign)
    settled[left] = eye.centre + ball
    settled[right] = reflected(settled[left])
    settled_dirs[left] = eye.centre_dirs
    settled_dirs[right] = reflected(settled_dirs[left], sign)
    return settled, settled_dirs


def lay_on_ball(points: np.ndarray, centre: np.ndarray, loops: int) -> np.ndarray:
    """Lids [K, n, 3] (first `loops` of them the skin loops, then the bag) moved along the radii of the ball [K, 3]."""
    out = points - centre[:, None]
    reach = np.linalg.norm(out, axis=-1)
    direction = out / reach[..., None]
    rim = slice(2 * COLUMNS, 3 * COLUMNS)
    upright = direction[:, :COLUMNS] + UPRIGHT * (direction[:, rim] - direction[:, :COLUMNS])
    direction[:, :COLUMNS] = upright / np.linalg.norm(upright, axis=-1, keepdims=True)
    skin = reach[:, :loops].reshape(len(points), -1, COLUMNS)
    new = skin.copy()
    new[:, 0] = RADIUS + margin_gap()
    new[:, 2] = soft_max(skin[:, 2], RADIUS + 0.0019)
    new[:, 3] = soft_max(skin[:, 3], RADIUS + 0.0023)
    new[:, 4:] = soft_max(skin[:, 4:], RADIUS + 0.0026)
    bag = soft_max(reach[:, loops:], RADIUS + BAG_GAP)
    laid = centre[:, None] + direction * np.concatenate([new.reshape(len(points), -1), bag], 1)[..., None]
    laid[:, COLUMNS : 2 * COLUMNS] = 0.4 * laid[:, :COLUMNS] + 0.6 * laid[:, rim]  # a flat margin
    return laid


def margin_gap() -> np.ndarray:
    """Distance [28] of the margin's back edge from the ball, by column."""
    column = np.arange(COLUMNS)
    nasal = np.clip(1.0 - np.abs((column - MEDIAL + 0.5 * COLUMNS) % COLUMNS - 0.5 * COLUMNS) / 4.0, 0.0, 1.0)
    return TOUCH + CARUNCLE * nasal * nasal * (3.0 - 2.0 * nasal)


def soft_max(values: np.ndarray, floor: float | np.ndarray, *, softness: float = 2e-4) -> np.ndarray:
    """max(values, floor) with a rounded corner, metres."""
    return floor + softness * np.logaddexp(0.0, (values - floor) / softness)


def fit_linear(function: Callable, size: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Constant [...] and slopes [..., S] of the linear function nearest to `function` [K, S] -> [K, ...]."""
    shapes = sample_shapes(2 * size + 20, size, seed=seed)
    values = function(shapes)
    rows = np.concatenate([np.ones((len(shapes), 1)), shapes], 1)
    fitted = np.linalg.lstsq(rows, values.reshape(len(shapes), -1), rcond=None)[0]
    return fitted[0].reshape(values.shape[1:]), np.moveaxis(fitted[1:].reshape(size, *values.shape[1:]), 0, -1)


def sample_shapes(pairs: int, size: int, *, seed: int = 0) -> np.ndarray:
    """Identities [2 pairs, S]: normal, held within SAMPLE_SD, each with its opposite, so that their mean is zero."""
    half = np.clip(np.random.default_rng(seed).normal(size=(pairs, size)), -SAMPLE_SD, SAMPLE_SD)
    return np.concatenate([half, -half])
