"""The default skin, painted in UV over the head at rest: complexion, hair, brows, lash lines, lips. Once per head."""

from __future__ import annotations

import numpy as np

from flame_tools.smooth import smooth_step
from render.paint_numba import along, around, grow, noise, spread

SIZE = 1024
SKIN = (212, 168, 145)  # sRGB
LIPS = (188, 126, 115)
BROWS = (66, 47, 38)
LASHES = (46, 32, 28)
RIMS = (150, 96, 84)  # of the lower lids
HAIR = (58, 44, 36)
CORNERS = (198, 132, 121)  # of the eyes
_BROWS = ((21, 20, 19, 18, 17), (22, 23, 24, 25, 26))  # among the 68, inner to outer


def paint_skin(
    vertices: np.ndarray,  # [V, 3] metres at rest
    faces: np.ndarray,  # [F, 3] int32
    uv: np.ndarray,  # [U, 2]
    uv_faces: np.ndarray,  # [F, 3] int32
    painted: np.ndarray,  # [F] bool: faces that carry skin
    lips: np.ndarray,  # [V] in [0, 1]
    hair: np.ndarray,  # [V] in [0, 1]: where short hair grows
    marks: np.ndarray | None,  # [68, 3] landmarks at rest, where known
    lids: list[tuple[np.ndarray, np.ndarray]],  # rims of upper and lower lids [n, 3], from the nose outwards
    *,
    size: int = SIZE,
    seed: int = 3,
) -> np.ndarray:  # [size, size, 3] uint8 sRGB, row 0 at v = 1
    """A complexion with warmth where blood is near, soft lips, brows and lash lines at the landmarks."""
    from render.raster_numba import barycentrics, fill

    clip = np.ones((len(uv), 4))
    clip[:, :2] = uv * 2 - 1
    clip[:, 2] = 0
    flat = np.ascontiguousarray(uv_faces[painted], np.int32)
    corners = faces[painted]
    points = np.zeros((len(uv), 3))
    points[:, 0], points[:, 1] = uv[:, 0] * size, (1 - uv[:, 1]) * size
    depth, ids = np.full((size, size), np.inf), np.full((size, size), -1, np.int32)
    fill(points, flat, np.empty(0, np.int32), 0, depth, ids)
    bary, unused = np.empty((size, size, 3), np.float32), np.empty((size, size), np.float32)
    barycentrics(clip, flat, 0, size, depth, ids, bary, unused)
    # whatever changes slowly is worked out at the vertices
    rng = np.random.default_rng(seed)
    spots = vertices.astype(np.float32)
    mottle = 0.7 * _noise(spots, rng, 0.017) + 0.5 * _noise(spots, rng, 0.007)
    colour = np.array(SKIN, np.float32) / 255 * (1 + 0.008 * mottle[:, None])
    colour[:, 1:] -= 0.006 * mottle[:, None]
    if marks is not None:
        marks = np.asarray(marks, np.float32)
        colour = _complexion(colour, spots, marks)
    layers = np.concatenate([spots, colour, lips[:, None], (hair + 0.07 * mottle)[:, None]], 1).astype(np.float32)
    inside = np.flatnonzero(ids >= 0)
    texels = np.empty((len(inside), layers.shape[1]), np.float32)
    spread(ids, bary, np.ascontiguousarray(corners), layers, texels)
    at, colour, lip, grown = (np.ascontiguousarray(texels[:, k]) for k in (slice(3), slice(3, 6), 6, 7))

    fine = _noise(at, rng, 0.0017)
    colour *= 1 + 0.009 * fine[:, None]
    some = np.flatnonzero(lip > 0)
    share = 0.9 * smooth_step(lip[some] + 0.04 * fine[some], 0.2, 0.85)
    colour[some] = _mix(colour[some], np.array(LIPS) / 255 * (1 + 0.02 * fine[some, None]), share)
    for upper, lower in lids:
        line = np.concatenate([upper, lower])
        near = around(at, line.min(0) - 0.004, line.max(0) + 0.004)
        colour[near] = _lash_lines(colour[near], at[near], upper.astype(np.float32), lower.astype(np.float32))
    if hair.any():
        some = np.flatnonzero(grown > 0.4)
        strands = 0.5 * _noise(at[some], rng, 0.0022) + 0.3 * _noise(at[some], rng, 0.0009)
        share = smooth_step(grown[some], 0.42, 0.98) * (0.80 + 0.08 * strands)
        colour[some] = _mix(colour[some], np.array(HAIR) / 255, np.clip(share, 0, 0.9))
    if marks is not None:
        for brow in _BROWS:
            line = marks[list(brow)]
            near = around(at, line.min(0) - 0.015, line.max(0) + 0.015)
            colour[near] = _mix(colour[near], np.array(BROWS) / 255, _brow(at[near], line, rng))

    texture = np.empty((size, size, 3), np.uint8)
    texture[:] = SKIN
    texture.reshape(-1, 3)[inside] = np.clip(np.rint(colour * 255), 0, 255)
    grow(texture, (ids >= 0).astype(np.uint8), 12)  # past the islands' borders: no background bleeds in at seams
    return texture


def _complexion(colour, at, marks):
    """Warm cheeks, nose tip, upper lids, ears and chin; a paler brow; cooler hollows under the eyes."""
    eye_span = np.linalg.norm(marks[45] - marks[36])

    def spot(place, radius):
        return np.exp(-((at - place) ** 2).sum(1) / (radius * eye_span) ** 2)[:, None].astype(np.float32)

    red = np.array([0.012, -0.045, -0.040], np.float32)
    for corner, side in ((36, 2), (45, 14)):
        cheek = 0.5 * marks[corner] + 0.3 * marks[side] + 0.2 * marks[33]
        cheek[1] = 0.45 * marks[corner][1] + 0.55 * marks[33][1]
        colour = colour + red * 0.75 * spot(cheek, 0.30)
    colour = colour + red * 0.9 * spot(marks[30], 0.16) + red * 0.4 * spot(marks[8], 0.22)
    for inner, outer in ((39, 36), (42, 45)):
        hollow = 0.55 * marks[inner] + 0.45 * marks[outer] - np.array([0, 0.13 * eye_span, 0])
        colour = colour + np.array([-0.028, -0.034, -0.022], np.float32) * spot(hollow, 0.17)
        lid = 0.5 * (marks[inner] + marks[outer]) + np.array([0, 0.07 * eye_span, 0])
        colour = colour + red * 0.9 * spot(lid, 0.15)
    forehead = 0.5 * (marks[19] + marks[24]) + np.array([0, 0.35 * eye_span, 0])
    colour = colour + np.array([0.010, 0.012, 0.004], np.float32) * spot(forehead, 0.5)
    side = np.abs(at[:, 0] - marks[27][0])  # ears stand out to the sides, behind the jaw's corners
    ear = smooth_step(side / (0.5 * np.linalg.norm(marks[16] - marks[0])), 1.02, 1.12)[:, None] * spot(
        np.array([at[:, 0], np.full(len(at), marks[29][1]), at[:, 2]]).T, 0.5
    )
    return colour + red * 0.8 * ear


def _lash_lines(colour, at, upper, lower):
    """Dark lashes along the upper rim, a faint warm rim below, and the pink corners."""
    away, share = _along(at, upper)
    lashes = (
        smooth_step(share, 0.10, 0.24) * (1 - smooth_step(share, 0.90, 1.0)) * (1 - smooth_step(away, 0.0005, 0.0015))
    )
    colour = _mix(colour, np.array(LASHES) / 255, 0.85 * lashes)
    away, _ = _along(at, lower)
    colour = _mix(colour, np.array(RIMS) / 255, 0.5 * (1 - smooth_step(away, 0.0004, 0.0014)))
    for end, reach in ((0, 0.0027), (-1, 0.0022)):
        corner = np.linalg.norm(at - 0.5 * (upper[end] + lower[end]), axis=1)
        colour = _mix(colour, np.array(CORNERS) / 255, 0.9 * (1 - smooth_step(corner, 0.45 * reach, reach)))
    return colour


def _brow(at, line, rng):
    """The share of hair on each texel: random strokes that lean outwards, dense within, thinning towards the ends."""
    near, share = _along(at, line)
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    above = at[:, 1] - np.interp(share, np.linspace(0, 1, len(line)), line[:, 1])
    thick = length * np.interp(share, [0, 0.10, 0.35, 0.6, 1], [0.062, 0.080, 0.086, 0.068, 0.018])
    lean = np.interp(share, [0, 0.25, 1], [0.25, 1.2, 2.5])  # how far a hair runs outwards as it rises
    across = share * length - lean * above
    hairs = np.stack([across, 0.12 * (above + share * length)], 1).astype(np.float32)
    strokes = 0.6 * _noise(hairs, rng, 0.00042) + 0.5 * _noise(hairs, rng, 0.0009)
    ends = smooth_step(share - 0.02 * strokes, -0.12, 0.16) * (1 - 0.45 * smooth_step(share, 0.75, 1.0))
    body = 1 - smooth_step(near / thick + 0.10 * strokes, 0.25, 1.2)
    return np.clip(body * ends * (0.80 + 0.20 * strokes), 0, 0.9)


def _along(at, line):
    """Distance of points [n, 3] to a polyline, and how far along it in [0, 1] the nearest place lies; inf where far."""
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    ends = np.r_[np.float32(0), lengths.cumsum()] / lengths.sum()
    best, share = np.empty(len(at), np.float32), np.empty(len(at), np.float32)
    along(at, line, ends, np.float32(0.02), best, share)
    return best, share


def _noise(at, rng, wavelength):
    """Smooth noise of about unit variance over points [n, d]: values on a lattice of that spacing (metres), blended."""
    places = np.zeros((len(at), 3), np.float32)
    places[:, : at.shape[1]] = at
    values = noise(places, np.float32(wavelength), np.uint32(rng.integers(1 << 32)))
    return values * np.float32(2.6 if at.shape[1] == 3 else 2.1)


def _mix(colour, other, share):
    share = np.asarray(share, np.float32)[:, None]
    return colour + (np.asarray(other, np.float32) - colour) * share
