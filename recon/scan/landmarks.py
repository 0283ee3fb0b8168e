"""MediaPipe's 468 landmarks on a scan in any pose: look from all sides, find the face, look again from the front.

No axis and no unit of the scan is trusted. Of the views in which the detector believes in a face, that one is kept
whose landmarks, taken back to the surface, lie best on the head's own: a hollow face seen from behind fits no head.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import InputError
from flame_tools.surface.alignment import Alignment
from readers.faces import detect, read_faces
from recon.scan.file import Scan
from recon.scan.placing import align_robustly, rotation_of
from recon.scan.views import Canvas, canvas_of, view
from recon.texture.surface import unit

SEARCH_PX, READ_PX = 160, 512  # at 160 the detector looks at the whole picture only
GOOD_M = 0.008  # median distance of landmarks from an average head's: another person's lie about 4 mm off
WORST_M = 0.015
ODD_M = 0.015  # landmarks farther than this from the average head's have been read off something else
REACH_M = 0.14  # half of what a frontal picture of a face shows
# (yaw, pitch) in degrees from which a face that has been found is read
TURNS = ((0, 0), (-18, 0), (18, 0), (0, 12), (0, -12), (-38, 0), (38, 0))
GRAZING = 0.25  # a surface seen at less than this cosine is not read off


@dataclass(frozen=True)
class ScanLandmarks:
    """Landmarks on a scan, in its own unit and axes, and how the scan lies on the head that they were held against."""

    points: np.ndarray  # [468, 3]; NaN where none of the views saw the surface
    trust: np.ndarray  # [468] in [0, 1]
    flat: (
        np.ndarray
    )  # [468, 3] as seen from the front, without depth, on the surface or not; NaN where nothing was read
    to_head: Alignment  # scan to head, metres
    views: int  # that were read


def find_landmarks(scan: Scan, reference: np.ndarray) -> ScanLandmarks:
    """Landmarks of the one face of a scan; `reference` [468, 3] are an average head's, metres, or NaN."""
    canvas = canvas_of(scan)
    for to_head in _candidates(canvas, reference):
        found = _read(canvas, to_head, reference)
        if found is not None:
            return found
    raise InputError(
        "no face was found in the scan from any side; wanted a whole face, or half of one with both eyes' inner "
        "corners, nose and mouth; cut away what hides it, or give colours"
    )


def _candidates(canvas: Canvas, reference: np.ndarray):
    """Where the face may be, scan to head: from views along the axes, from everywhere, and at last for a small face."""
    low, high = np.quantile(canvas.vertices, (0.002, 0.998), axis=0)
    centre = (low + high) / 2
    reach = 1.05 * float(np.linalg.norm(high - low)) / 2
    poor: list[tuple[float, Alignment]] = []
    whole = ((_upright_axes(), SEARCH_PX), (_all_axes(), SEARCH_PX), (_standing_axes(canvas.vertices), READ_PX))
    for level, (every, size) in enumerate(whole):
        sure = []
        for axes in every:
            faces = detect(view(canvas, axes, centre, reach, size).image, search_all=False)
            sure += [(face.score, axes, face) for face in faces[:1]]
        sure.sort(key=lambda entry: -entry[0])
        for _, axes, face in sure[:8]:
            # look again, at the face only
            pixel = 2 * reach / size
            middle = (face.box[:2] + face.box[2:]) / 2
            right, down = (middle - size / 2) * pixel
            near = centre + right * axes[0] - down * axes[1]
            close = min(reach, 1.3 * float((face.box[2:] - face.box[:2]).max()) * pixel)
            off, to_head = _one_view(canvas, axes, near, close, reference)
            if off < GOOD_M:
                yield to_head
            elif off < WORST_M:
                poor.append((off, to_head))
        if level > 0:
            yield from (to_head for _, to_head in sorted(poor, key=lambda entry: entry[0])[:3])
            poor = []


def _read(canvas: Canvas, to_head: Alignment, reference: np.ndarray) -> ScanLandmarks | None:
    """Landmarks read around a face, or None where it turns out to be none."""
    known = np.isfinite(reference).all(1)
    for turns in (TURNS[:3], TURNS):
        points, trust, flat, views = _read_around(canvas, to_head, turns)
        away = np.nan_to_num(np.linalg.norm(to_head(points) - reference, axis=1))
        trust = trust / (1 + (away / ODD_M) ** 2) ** 2
        trust = np.where(trust > 0.05, trust, 0.0)
        seen = (trust > 0) & known
        if seen.sum() < max(8, 0.2 * known.sum()):
            return None
        to_head = align_robustly(points[seen], reference[seen], trust[seen], width=0.004)
    return ScanLandmarks(points, trust, flat, to_head, views)


def _one_view(canvas, axes, centre, reach, reference) -> tuple[float, Alignment | None]:
    """(median landmark error in metres, scan to head) from one view; infinite where no face is read."""
    seen = view(canvas, axes, centre, reach, READ_PX)
    readings = read_faces(seen.image)
    if not readings:
        return np.inf, None
    points, facing = seen.at(readings[0].landmarks[:, :2])
    trust = np.where(facing > GRAZING, facing, 0.0)
    known = np.isfinite(reference).all(1)
    good = (trust > 0) & known
    if good.sum() < max(8, 0.2 * known.sum()):
        return np.inf, None
    found = align_robustly(points[good], reference[good], trust[good], width=0.004)
    return float(np.median(np.linalg.norm(found(points[good]) - reference[good], axis=1))), found


def _read_around(canvas: Canvas, to_head: Alignment, turns) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Landmarks [468, 3] in the scan's axes, trust [468], landmarks from the front, and how many views read a face."""
    flat = np.full((468, 3), np.nan)
    reach = REACH_M / to_head.scale
    centre = to_head.inverse()(np.array([[0.0, -0.01, 0.02]]))[0]
    mirrored = _mirrored(canvas, to_head)
    stack, weights = [], []
    for yaw, pitch in turns:
        axes = _turn(yaw, pitch) @ rotation_of(to_head)
        seen = view(canvas, axes, centre, reach, READ_PX)
        other = view(mirrored, axes, centre, reach, READ_PX)
        readings = read_faces(np.where(seen.facing[..., None] > 0, seen.image, other.image))
        if not readings:
            continue
        pixels = readings[0].landmarks[:, :2]
        if (yaw, pitch) == (0, 0):
            flat = (pixels * (1, -1) * (2 * reach / READ_PX)) @ axes[:2]
        points, facing = seen.at(pixels)
        steady = np.exp(-((readings[0].unsteadiness / 0.01) ** 2))
        weight = np.where(facing > GRAZING, facing**2, 0.0) * steady
        stack.append(np.nan_to_num(points))
        weights.append(np.where(np.isnan(points).any(1), 0.0, weight))
    if not stack:
        return flat, np.zeros(468), flat, 0
    points, weights = np.stack(stack), np.stack(weights)  # [n, 468, 3], [n, 468]
    width = 0.003 / to_head.scale
    given = weights.copy()
    for _ in range(8):
        mean = (given[..., None] * points).sum(0) / np.maximum(given.sum(0), 1e-12)[:, None]
        given = weights / (1 + ((points - mean) ** 2).sum(-1) / width**2) ** 2
    total = given.sum(0)
    trust = np.clip(total / 1.5, 0, 1) * (total > 0.05)
    return np.where((trust > 0)[:, None], mean, np.nan), trust, flat, len(stack)


def _mirrored(canvas: Canvas, to_head: Alignment) -> Canvas:
    """The scan's mirror image in the head's own plane: it completes the picture where a half or a hole is missing."""
    flip = np.diag([-1.0, 1.0, 1.0])
    turn = rotation_of(to_head)
    return dataclasses.replace(
        canvas,
        vertices=to_head.inverse()(to_head(canvas.vertices) @ flip),
        normals=canvas.normals @ (turn.T @ flip @ turn),
    )


def _turn(yaw_deg: float, pitch_deg: float) -> np.ndarray:
    """[3, 3] the axes of a viewer who walked towards +x by the yaw and rose by the pitch."""
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    z = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    x = unit(np.cross((0.0, 1.0, 0.0), z))
    return np.stack([x, np.cross(z, x), z])


def _upright_axes():
    """The 24 ways in which a face may look along an axis with another one up."""
    ends = [sign * row for row in np.eye(3) for sign in (1.0, -1.0)]
    for z, y in itertools.product(ends, ends):
        if abs(y @ z) < 0.5:
            yield np.stack([np.cross(y, z), y, z])


def _standing_axes(vertices: np.ndarray):
    """Views all round somebody who is longer than wide, at either end of whom the head may be."""
    spread = vertices - vertices.mean(0)
    y = np.linalg.eigh(spread.T @ spread)[1][:, -1]
    first = unit(np.cross(y, np.eye(3)[np.abs(y).argmin()]))
    for turn in np.arange(12) * np.pi / 6:
        z = np.cos(turn) * first + np.sin(turn) * np.cross(y, first)
        for up in (y, -y):
            yield np.stack([np.cross(up, z), up, z])


def _all_axes():
    """Views from 42 directions with six rolls each: every face is within about 30 degrees of one of them."""
    golden = (1 + np.sqrt(5)) / 2
    twelve = unit(np.array([p for a in (-1, 1) for b in (-golden, golden)
                            for p in ((0, a, b), (a, b, 0), (b, 0, a))], float))  # fmt: skip
    closest = np.linalg.norm(twelve[:, None] - twelve, axis=-1)
    i, j = np.where(np.triu(np.abs(closest - closest[closest > 0.1].min()) < 1e-6))
    for z in np.concatenate([twelve, unit(twelve[i] + twelve[j])]):
        first = unit(np.cross(z, np.eye(3)[np.abs(z).argmin()]))
        second = np.cross(z, first)
        for roll in np.arange(6) * np.pi / 3:
            y = np.cos(roll) * first + np.sin(roll) * second
            yield np.stack([np.cross(y, z), y, z])
