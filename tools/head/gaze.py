"""Lids that follow the eyes, and face shapes that leave the eyeballs whole.

eyeLook* of the artist turn the eye by 10 to 15 degrees; weight 1 here is a full glance, so the joint turns farther and
the lids' part of the shape is enlarged with it: looking down, the upper lid comes along and the lower one gives way.
The lids' offsets are pose correctives of the eye joints, odd (sine) and even (1 - cosine) in each angle, so that up and
down differ.
"""

from __future__ import annotations

import numpy as np

from flame_tools.characters.owners import COS_X, COS_Y, SIN_X, SIN_Y, odd_even
from flame_tools.surface.mesh_graph import edge_matrix, smooth
from tools.head.arkit import artist_shapes, opposite
from tools.head.cut import Assembly
from tools.head.eyes import RADIUS
from tools.head.lid_fit import BAG_GAP, LeftEye, left_eye, reflected, sample_shapes, soft_max
from tools.head.lid_rings import COLUMNS, LATERAL, LOWER, MEDIAL, UPPER

LOOK_DEGREES = {"Up": 24.0, "Down": 27.0, "In": 30.0, "Out": 30.0}
LOOK_RAD = np.radians(list(LOOK_DEGREES.values()))  # as HeadArrays.look_rad: up, down, in, out
GAIN = {
    "Up": (1.8, 0.75),
    "Down": (1.25, 6.0),
    "In": (1.2, 1.2),
    "Out": (1.2, 1.2),
}  # upper, lower lid: times the artist's
MARGIN_LOOPS = 3  # they keep their distance from the ball; the rest of the lid may only come so much closer:
SINK = 0.0004
CLOSING_LIMIT = 0.62  # no shape but the lids' own closes more of the opening than this share
LIMIT_FADES = (1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.75, 0.55, 0.35, 0.2, 0.08)  # by loop, outwards
LEAST_GAPS = (
    0.00028,
    0.00045,
    0.0008,
    0.0012,
    0.0014,
    0.0016,
    0.0018,
)  # from the ball, in every sampled identity, by loop
SPARE = 0.0002  # glances up or down add to glances aside
MOST_LIFT = 0.0012
CREASED = {"cheekSquintLeft": 2, "cheekSquintRight": 2}  # steps of smoothing
STILL = 1e-6  # metres; less than this is no motion
LEFT_FEATURES, RIGHT_FEATURES = 18, 27


def look_posedirs(assembly: Assembly, template: np.ndarray, shapedirs: np.ndarray) -> np.ndarray:
    """Pose correctives [V, 3, 36] of the eye joints on a settled head; the other joints' columns are zero."""
    eye = left_eye(assembly, template, shapedirs)
    shapes = artist_shapes(assembly)
    look = {
        name: outside_ball(eye, _enlarged(assembly, eye, name, shapes[f"eyeLook{name}Left"]), spare=SPARE)
        for name in GAIN
    }
    up, down, inward, outward = LOOK_RAD
    left = np.zeros((*template.shape, 9))
    left[..., SIN_X], left[..., COS_X] = odd_even(look["Down"], down, look["Up"], up)
    left[..., SIN_Y], left[..., COS_Y] = odd_even(look["Out"], outward, look["In"], inward)
    right = reflected(left[assembly.mirror])
    right[..., SIN_Y] *= -1.0
    posedirs = np.zeros((*template.shape, 36))
    posedirs[..., LEFT_FEATURES : LEFT_FEATURES + 9] = left
    posedirs[..., RIGHT_FEATURES : RIGHT_FEATURES + 9] = right
    return posedirs


def settle_expressions(
    assembly: Assembly, template: np.ndarray, shapedirs: np.ndarray, names: tuple[str, ...], dirs: np.ndarray
) -> np.ndarray:
    """Expression dirs [V, 3, E] that hold the eyeballs still and keep the lids outside them at weight 1."""
    eye = left_eye(assembly, template, shapedirs)
    dirs = _softened(assembly, names, dirs)
    changes = {name: outside_ball(eye, dirs[..., i]) - dirs[..., i] for i, name in enumerate(names)}
    settled = dirs.copy()
    for i, name in enumerate(names):
        settled[..., i] += changes[name] + reflected(changes.get(opposite(name), changes[name])[assembly.mirror])
    for ball in ("left_eyeball", "right_eyeball"):
        settled[assembly.ranges[ball]] = 0.0
    return settled


def _softened(assembly: Assembly, names: tuple[str, ...], dirs: np.ndarray) -> np.ndarray:
    """Dirs whose shapes that crease the lids into single sharp edges are smoothed over the skin."""
    skin = assembly.ranges["skin"]
    adjacency = edge_matrix(assembly.cut.faces, skin.stop)
    result = dirs.copy()
    for name, steps in CREASED.items():
        result[skin, :, names.index(name)] = smooth(adjacency, dirs[skin, :, names.index(name)], steps)
    return result


def outside_ball(eye: LeftEye, offsets: np.ndarray, *, spare: float = 0.0) -> np.ndarray:
    """Offsets [V, 3] changed round the left eye so that the lids do not cross each other or enter the ball.

    Margins slide at their distance from the ball, the rest of the lids stays out; then whatever some identities need
    more is added for all, since expressions and pose correctives do not depend on identity; `spare` metres above that.
    """
    skin, inner = eye.rings.skin, eye.rings.inner
    grid = np.concatenate([skin, inner])
    if np.abs(offsets[grid]).max() < STILL:
        return offsets
    share = _closing_limit(eye, offsets)
    result = offsets.copy()
    result[skin] *= (1.0 - (1.0 - share) * np.array(LIMIT_FADES)[:, None])[..., None]
    result[inner] *= share[:, None]
    lids = np.unique(np.concatenate([grid.ravel(), eye.rings.bag]))
    lids = lids[np.abs(result[lids]).max(1) > STILL]
    out = eye.template[lids] - eye.centre
    reach = np.linalg.norm(out, axis=1)
    moved = out + result[lids]
    distance = np.linalg.norm(moved, axis=1)
    floor = np.maximum(np.minimum(reach - SINK, RADIUS + 0.004), RADIUS + BAG_GAP)
    kept = np.where(distance < floor, soft_max(distance, floor, softness=5e-5), distance)
    wanted = np.where(np.isin(lids, skin[:MARGIN_LOOPS]), reach, kept)
    result[lids] = moved * (wanted / distance)[:, None] - out
    _lift(eye, result, spare)
    return result


def _closing_limit(eye: LeftEye, offsets: np.ndarray) -> np.ndarray:
    """Factor [28] on each column's motion that leaves the opening a share of its height: no folds at the corners."""
    rim = eye.rings.skin[MARGIN_LOOPS - 1]
    share = np.ones(COLUMNS)
    for own, across, up in ((UPPER, LOWER, 1.0), (LOWER, UPPER, -1.0)):
        x, y, _ = eye.template[rim[own]].T
        other_x, other_y, _ = eye.template[rim[across]].T
        order = np.argsort(other_x)
        height = up * (y - np.interp(x, other_x[order], other_y[order]))
        closing = up * (np.interp(x, other_x[order], offsets[rim[across], 1][order]) - offsets[rim[own], 1])
        share[own] = np.clip(CLOSING_LIMIT * height / np.maximum(closing, 1e-9), 0.0, 1.0)
    for corner in (LATERAL, MEDIAL):
        share[corner] = min(share[corner - 1], share[corner + 1])
    eased = 0.5 * share + 0.25 * (np.roll(share, 1) + np.roll(share, -1))
    return np.minimum(share, eased)


def _lift(eye: LeftEye, offsets: np.ndarray, spare: float) -> None:
    """Raise the lids in place by what the worst of many identities lacks to its least distance from the ball."""
    shapes = sample_shapes(200, eye.shapedirs.shape[-1], seed=1)
    lids = eye.rings.skin[: len(LEAST_GAPS)]
    points, centre = eye.identities(shapes, lids.ravel())
    out = (points + offsets[lids.ravel()] - centre[:, None]).reshape(len(shapes), *lids.shape, 3)
    lack = np.array(LEAST_GAPS)[:, None] + spare + RADIUS - np.linalg.norm(out, axis=-1).min(0)
    lack = np.clip(lack, 0.0, MOST_LIFT) * (np.abs(offsets[lids]).max(-1) > STILL)
    lack = np.maximum(lack, 0.5 * np.maximum(np.roll(lack, 1, 1), np.roll(lack, -1, 1)))
    direction = eye.template[lids] + offsets[lids] - eye.centre
    offsets[lids] += direction / np.linalg.norm(direction, axis=-1, keepdims=True) * lack[..., None]


def _enlarged(assembly: Assembly, eye: LeftEye, name: str, shape: np.ndarray) -> np.ndarray:
    """The skin's part of an eyeLook shape [V, 3], enlarged as the glance is."""
    offsets = shape.copy()
    offsets[assembly.ranges["skin"].stop :] = 0.0
    of_upper, of_lower = GAIN[name]
    front = eye.rings.skin[MARGIN_LOOPS]
    seam = 0.5 * (eye.template[front[UPPER]].mean(0) + eye.template[front[LOWER]].mean(0))[1]
    rise = np.clip((eye.template[:, 1] - seam) / 0.008 + 0.5, 0.0, 1.0)
    rise = rise * rise * (3.0 - 2.0 * rise)
    return offsets * (of_lower + (of_upper - of_lower) * rise)[:, None]
