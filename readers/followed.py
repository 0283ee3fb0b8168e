"""One face on its way through a film: where it will be, what it has looked like, how far its reading can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flame_tools.smooth import falling
from readers.appearance import LENGTH, VIEWS_KEPT, distance, view_of
from readers.landmarks import Look, roi_of_landmarks, share_outside
from readers.sampling import Square

MIN_PRESENCE = 0.5  # below, the landmark network itself says that this is no face
SURE_PRESENCE = 0.9
STEADY, UNSTEADY = 0.015, 0.035  # mean spread over the size of the face: all trust, none
LIKE, UNLIKE = 0.03, 0.09  # change of shape since the last trusted reading, over the size: all trust, none
INSIDE, OUTSIDE = 0.05, 0.4  # share of the landmarks beyond the border: all trust, none
SAME_LOOK, OTHER_LOOK = 0.2, 0.5  # 1 - cosine to what it looked like before: all trust, none. Half covered: 0.55
MOST_TURN, TURN_CHANGES = np.deg2rad(30), 0.6  # looks of one head are compared up to; differ by a radian of turn
GROWTH = 1.6  # a face that grows or shrinks more than this within a frame is another thing
_LONGEST_STEP_S = 0.2  # beyond, the motion of two frames tells nothing of a third


@dataclass
class Followed:
    """A face and what is kept of it between frames."""

    id: int
    landmarks: np.ndarray  # [468, 3] of the last reading
    seen_s: float  # when that was
    trusted: np.ndarray  # [468, 3] of the last reading that could be trusted
    trusted_s: float
    motion: np.ndarray = field(default_factory=lambda: np.zeros(4))  # a second: x, y pixels; log size; radians
    seen: np.ndarray = field(default_factory=lambda: np.zeros((VIEWS_KEPT, LENGTH)))  # looks (readers.appearance)
    weights: np.ndarray = field(default_factory=lambda: np.zeros(VIEWS_KEPT))
    latest: np.ndarray = field(default_factory=lambda: np.zeros(LENGTH))  # the look of the last trusted reading
    latest_yaw: float = -9.0  # radians
    latest_s: float = -1e9  # when that was
    remembered_s: float = -1e9  # when a look was added to those seen
    contested: bool = False  # another face is so near that the two may be taken for each other

    @property
    def box(self) -> np.ndarray:
        return box_of(self.landmarks)

    def unlike(self, turned: float, description: np.ndarray) -> float | None:
        """1 - cosine to what it looked like last, or in the nearest views; None where only other sides were seen.

        `turned` is the yaw of the description, radians. Distance that a turn since the last look explains is left out.
        """
        seen = distance(self.seen, self.weights, view_of(turned), description)
        step = abs(turned - self.latest_yaw)
        if step > MOST_TURN:
            return seen
        latest = float(1 - self.latest @ description) - TURN_CHANGES * step
        return latest if seen is None else min(seen, latest)

    def crop(self, time_s: float) -> Square:
        """Where to look for it at `time_s`."""
        if self.trusted_s < self.seen_s:  # what was read last may sit beside the face
            return roi_of_landmarks(self.trusted[:, :2])
        roi = roi_of_landmarks(self.landmarks[:, :2])
        step = time_s - self.seen_s
        if not 0 < step <= _LONGEST_STEP_S:
            return roi
        x, y, growth, turn = self.motion * step
        reach = np.hypot(x, y) / (0.3 * roi.size)  # never further than the crop still holds the face
        shrink = 1 / max(1.0, float(reach))
        size = roi.size * float(np.exp(np.clip(growth, -0.2, 0.2)))
        return Square(roi.x + x * shrink, roi.y + y * shrink, size, roi.angle + float(np.clip(turn, -0.3, 0.3)))

    def take(self, look: Look, time_s: float, trust: float) -> None:
        """Go on from a reading."""
        step = time_s - self.seen_s
        if 0 < step <= _LONGEST_STEP_S:
            before, after = roi_of_landmarks(self.landmarks[:, :2]), roi_of_landmarks(look.landmarks[:, :2])
            turn = (after.angle - before.angle + np.pi) % (2 * np.pi) - np.pi
            moved = np.array([after.x - before.x, after.y - before.y, np.log(after.size / before.size), turn])
            self.motion = 0.5 * self.motion + 0.5 * moved / step
        else:
            self.motion = np.zeros(4)
        self.landmarks, self.seen_s = look.landmarks, time_s
        if trust > 0.3:
            self.trusted, self.trusted_s = look.landmarks, time_s


def box_of(landmarks: np.ndarray) -> np.ndarray:
    """[4] left, top, right, bottom."""
    return np.concatenate([landmarks[:, :2].min(0), landmarks[:, :2].max(0)])


def size_of(landmarks: np.ndarray) -> float:
    """The longer side of the box in pixels."""
    return float(np.ptp(landmarks[:, :2], axis=0).max())


def change_of_shape(now: np.ndarray, before: np.ndarray) -> float:
    """RMS distance of landmarks [468, .] after shift, turn and scale are taken out, over the size of the face."""
    a, b = (points[:, 0] + 1j * points[:, 1] for points in (before, now))
    a, b = a - a.mean(), b - b.mean()
    power = float((np.abs(a) ** 2).sum())
    off = b - a * ((a.conj() * b).sum() / max(power, 1e-12))  # Umeyama 1991, in the plane as complex numbers
    return float(np.sqrt((np.abs(off) ** 2).mean()) / max(size_of(now), 1e-12))


def trust_in_look(apart: float | None) -> float:
    """In [0, 1], from how little a face looks like itself: the network reads covered faces without a doubt."""
    return 1.0 if apart is None else falling(apart, SAME_LOOK, OTHER_LOOK)


def trust_in(look: Look, followed: Followed | None, time_s: float, width: int, height: int) -> float:
    """In [0, 1]: from the network's own score, the spread over views, the border, and the last trusted reading."""
    size = size_of(look.landmarks)
    if look.score < MIN_PRESENCE or size < 8:
        return 0.0
    trust = falling(-look.score, -SURE_PRESENCE, -MIN_PRESENCE)
    trust *= falling(float(look.spread.mean()) / size, STEADY, UNSTEADY)
    trust *= falling(share_outside(look.landmarks[:, :2], width, height), INSIDE, OUTSIDE)
    if followed is not None:
        growth = size / max(size_of(followed.landmarks), 1e-12)
        if not 1 / GROWTH < growth < GROWTH and time_s - followed.seen_s <= _LONGEST_STEP_S:
            return 0.0
        age = time_s - followed.trusted_s
        slack = 1 + 5 * max(0.0, age - 0.1)  # a face has time to change
        trust *= falling(change_of_shape(look.landmarks, followed.trusted), LIKE * slack, UNLIKE * slack)
    return trust
