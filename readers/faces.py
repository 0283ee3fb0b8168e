"""Read faces: 468 landmarks (MediaPipe's order), iris points, scores and what is cut off.

    image -> detection -> upright crop along the eye line -> landmarks -> better crop -> landmarks -> eye crops

"Right" and "left" are the subject's. Pixels: x right, y down, centres at +0.5; z is in the same unit, negative
towards the camera, and only as good as a network's guess.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from readers.detection import Detection, detect
from readers.landmarks import (
    CROP_SCALE,
    VIEWS,
    landmarks_in,
    look,
    roi_of_landmarks,
    share_outside,
)
from readers.sampling import Square

__all__ = ["Detection", "FaceReading", "detect", "read_faces"]

UNSTEADY = 0.02  # landmarks that wander more than this share of the face do not sit on it
MIN_PRESENCE = 0.5  # of the landmark network's own face score
STEADY, DOUBT = 0.012, 20.0  # unsteadiness from which on belief in a face falls, and how fast
SURE = 0.65  # belief that faces are seen to have; patterns and faces read upside down have less
COVERED = 0.5  # of a box by another one: the same face twice


@dataclass(frozen=True)
class FaceReading:
    """One face as the networks read it, in pixels of the image."""

    landmarks: np.ndarray  # [468, 3] x, y, z
    spread: np.ndarray  # [468] px, standard deviation over slightly different crops
    iris: np.ndarray  # [10, 2] right centre and ring of 4, left centre and ring of 4
    score: float  # in [0, 1]: the landmark network's belief that this is a face
    detection: Detection
    roi: Square  # the last crop
    outside: float  # share of the landmarks beyond the image's border

    @property
    def box(self) -> np.ndarray:
        """[4] left, top, right, bottom of the landmarks."""
        xy = self.landmarks[:, :2]
        return np.concatenate([xy.min(0), xy.max(0)])

    @property
    def unsteadiness(self) -> float:
        """Mean spread over the size of the face: 0.005 on a clear portrait, above 0.02 where nothing is certain."""
        return float(self.spread.mean() / self.size)

    @property
    def belief(self) -> float:
        """How sure it is that this is a face: the score, less where the landmarks wander, most if it is no upright
        one. Faces have 1."""
        turned = 1 + abs(np.sin(self.roi.angle / 2))
        return float(self.score - DOUBT * turned * max(self.unsteadiness - STEADY, 0.0))

    @property
    def size(self) -> float:
        """The longer side of the box in pixels."""
        return float((self.box[2:] - self.box[:2]).max())


def _upright(right_eye: np.ndarray, left_eye: np.ndarray, low: np.ndarray, high: np.ndarray) -> Square:
    """A square round a box [low, high], turned so that the line of the eyes lies level."""
    x, y = left_eye - right_eye
    centre = (low + high) / 2
    return Square(float(centre[0]), float(centre[1]), float((high - low).max()) * CROP_SCALE, float(np.arctan2(y, x)))


def _read(image: np.ndarray, detection: Detection, turn: float = 0.0, views: int = 5) -> FaceReading:
    """Read one face; `turn` is added to the angle that the detector's eyes give."""
    box = detection.box
    roi = _upright(detection.points[0], detection.points[1], box[:2], box[2:])
    roi = dataclasses.replace(roi, angle=roi.angle + turn)
    for _ in range(2):  # the second crop comes from better knowledge than a box
        landmarks, score = landmarks_in(image, roi)
        roi = roi_of_landmarks(landmarks[:, :2])
    seen = look(image, roi, VIEWS[views])
    return FaceReading(
        landmarks=seen.landmarks,
        spread=seen.spread,
        iris=seen.iris,
        score=max(score, seen.score),
        detection=detection,
        roi=roi,
        outside=share_outside(seen.landmarks[:, :2], image.shape[1], image.shape[0]),
    )


def read_detection(image: np.ndarray, detection: Detection, *, views: int = 5) -> FaceReading:
    """Read the face that a detector found, in the direction in which it is read most steadily."""
    reading = _read(image, detection, views=views)
    if reading.unsteadiness > UNSTEADY:  # the detector misjudges the eye line of faces far from upright
        turned = [_read(image, detection, turn, views) for turn in (np.pi / 2, np.pi, -np.pi / 2)]
        reading = min([reading, *turned], key=lambda r: r.unsteadiness)
    return reading


def read_faces(image: np.ndarray, *, all: bool = False) -> list[FaceReading]:
    """Faces of image uint8 [H, W, 3], largest first; only the largest unless `all`.

    Places where the detector believes in a face and the landmark network does not are left out, and doubtful faces
    where another one is sure.
    """
    readings: list[FaceReading] = []
    for detection in detect(image, search_all=all):
        reading = read_detection(image, detection)
        if reading.score >= MIN_PRESENCE:
            readings.append(reading)
            if reading.belief >= SURE and not all:
                return [reading]
    readings = _each_once(readings)
    readings = [reading for reading in readings if reading.belief >= SURE] or readings
    readings.sort(key=lambda r: -r.size)
    return readings if all else readings[:1]


def _each_once(readings: list[FaceReading]) -> list[FaceReading]:
    """Without those that lie over others which are surer."""
    kept: list[FaceReading] = []
    for reading in sorted(readings, key=lambda r: (-r.belief, -r.size)):
        if not any(_covered(reading.box, other.box) > COVERED for other in kept):
            kept.append(reading)
    return kept


def _covered(box: np.ndarray, other: np.ndarray) -> float:
    """What two boxes [4] share over the smaller one's area."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    smaller = min(np.prod(box[2:] - box[:2]), np.prod(other[2:] - other[:2]))
    return float(np.prod(np.clip(high - low, 0, None)) / max(smaller, 1e-12))
