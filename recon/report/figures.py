"""The numbers of a report: how far landmarks lie apart, when and where, how sure the parameters are, what trembles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.types import Track
from readers.face_parts import BROWS, LEFT_EYE, LIPS, OVAL, RIGHT_EYE, WINGS
from recon.report.curves import GROUPS, Curve
from recon.report.fitted import Fitted
from recon.report.spectrum import Power, Welch

_NOSE = (1, 2, 4, 5, 6, 19, 44, 45, 51, 94, 97, 125, 141, 168, 195, 197, 220, 248, 274, 275, 281, 326, 370)
# each landmark belongs to the first part that names it; what is left is skin
PARTS = {
    "lips": LIPS,
    "right eye": RIGHT_EYE,
    "left eye": LEFT_EYE,
    "right brow": BROWS[:10],
    "left brow": BROWS[10:],
    "nose": (*WINGS, *_NOSE),
    "outline": OVAL,
}
SKIN = "cheeks and forehead"


def part_masks() -> dict[str, np.ndarray]:
    """Part of the face -> mask [468]; each landmark is in one."""
    free, masks = np.ones(468, bool), {}
    for name, marks in PARTS.items():
        mask = np.zeros(468, bool)
        mask[list(marks)] = True
        masks[name] = mask & free
        free &= ~mask
    return masks | {SKIN: free}


@dataclass(frozen=True)
class Residuals:
    """How a track's landmarks lie to those that were read, as shares of the distance between the eyes."""

    per_frame: np.ndarray  # [T] mean over the landmarks; NaN where nothing was read
    per_part: np.ndarray  # [len(PARTS) + 1, T]
    per_landmark: np.ndarray  # [468] mean over the frames that were read and not bridged; NaN where there were none
    offset: np.ndarray  # [468, 2] the mean way from the read to the fitted one: x right, y down
    bridged: np.ndarray  # [T] bool
    size_px: np.ndarray  # [T] the face's height
    outside: np.ndarray  # [T] share of the landmarks beyond the picture's border
    boxes: np.ndarray  # [T, 4] left, top, right, bottom of the track's landmarks, pixels
    read: Power | None  # of the landmarks that were read, in shares of the distance between the eyes
    fitted: Power | None  # of the track's
    jitter_mm_s2: dict[str, float | None]  # "read", "fitted": RMS acceleration from frame to frame


def residuals_of(
    track: Track,
    fitted: Sequence[Fitted],
    seen: Iterator[np.ndarray | None],  # of recon.report.source.read_landmarks
    size: Sequence[tuple[int, int]],  # of each frame's picture, or one for all
    *,
    film: bool,
) -> Residuals:
    """Go through a track's frames once."""
    count, masks = len(track), np.stack(list(part_masks().values()))
    bridged = bridged_frames(track)
    per_frame, size_px, outside = np.full(count, np.nan), np.zeros(count), np.zeros(count)
    per_part = np.full((len(masks), count), np.nan)
    total, way, used = np.zeros(468), np.zeros((468, 2)), 0
    boxes = np.empty((count, 4))
    step = float(np.median(np.diff(track.time_s))) if film and count > 1 else 0.0
    spectra = {name: Welch(count, step) for name in ("read", "fitted")}
    shaking = {name: _Acceleration() for name in spectra}
    for i, (mine, read) in enumerate(zip(fitted, seen, strict=True)):
        time_s, marks = float(track.time_s[i]), mine.landmarks
        boxes[i] = [*marks.min(0), *marks.max(0)]
        size_px[i] = np.ptp(marks[:, 1])
        outside[i] = ((marks < 0) | (marks > size[i if len(size) > 1 else 0])).any(1).mean()
        if read is not None:
            error = mine.error(read)
            per_frame[i] = error.mean()
            per_part[:, i] = masks @ error / masks.sum(1)
            if not bridged[i]:
                total, way, used = total + error, way + (marks - read) / mine.eye_px, used + 1
        for name, points in (("read", read), ("fitted", marks)):
            known = points is not None
            spectra[name].add(time_s, points / mine.eye_px if known else None)
            shaking[name].add(time_s, points * mine.mm_per_px if known else None)
    mean = (total / used, way / used) if used else (np.full(468, np.nan), np.full((468, 2), np.nan))
    return Residuals(
        per_frame, per_part, *mean, bridged, size_px, outside, boxes,
        spectra["read"].result(), spectra["fitted"].result(),
        {name: one.rms() for name, one in shaking.items()},
    )  # fmt: skip


class _Acceleration:
    """RMS second difference of points in mm, of any steps of time."""

    def __init__(self):
        self.last: list[tuple[float, np.ndarray]] = []
        self.total, self.count = 0.0, 0

    def add(self, time_s: float, points: np.ndarray | None) -> None:
        if points is None:
            self.last = []
            return
        self.last = [*self.last[-2:], (time_s, points)]
        if len(self.last) == 3:
            (t0, a), (t1, b), (t2, c) = self.last
            found = 2 * ((c - b) / (t2 - t1) - (b - a) / (t1 - t0)) / (t2 - t0)
            self.total, self.count = self.total + float((found**2).sum(1).mean()), self.count + 1

    def rms(self) -> float | None:
        return float(np.sqrt(self.total / self.count)) if self.count else None


def bridged_frames(track: Track) -> np.ndarray:
    """[T] bool: frames that were taken from those around them."""
    tracking = track.curves.get("tracking")
    if tracking is None or "bridged" not in tracking.names:
        return np.zeros(len(track), bool)
    return np.asarray(tracking.values)[:, tracking.names.index("bridged")] > 0.5


def ranges(mask: np.ndarray) -> list[list[int]]:
    """[first, last] of each run of frames that a mask [T] holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [[int(a), int(b) - 1] for a, b in edges.reshape(-1, 2)]


def powers_of(track: Track, curves: Sequence[Curve]) -> dict[str, Power]:
    """Group of curves -> their power, where a track is long enough. Of the pose only the angles, in degrees."""
    found = {}
    step = float(np.median(np.diff(track.time_s))) if len(track) > 1 else 0.0
    for group in GROUPS:
        mine = [c.values for c in curves if c.group == group and not (group == "pose" and c.unit != "°")]
        if not mine:
            continue
        welch = Welch(len(track), step)
        for time_s, row in zip(track.time_s, zip(*mine, strict=True), strict=True):
            welch.add(float(time_s), np.array(row)[:, None])
        if (power := welch.result()) is not None:
            found[group] = power
    return found
