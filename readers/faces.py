"""Read faces: 468 landmarks (MediaPipe's order), iris points, scores and what is cut off.

    image -> detection -> upright crop along the eye line -> landmarks -> better crop -> landmarks -> eye crops

"Right" and "left" are the subject's. Pixels: x right, y down, centres at +0.5; z is in the same unit, negative
towards the camera, and only as good as a network's guess.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from readers.detection import Detection, detect, overlap
from readers.networks import network
from readers.sampling import Square, sample_square

__all__ = ["Detection", "FaceReading", "detect", "read_faces"]

CROP_SCALE = 1.5  # crop side over the face's longer side (MediaPipe's published graph)
EYE_CROP_SCALE = 2.3  # the same for an eye, over the distance between its corners
UNSTEADY = 0.02  # landmarks that wander more than this share of the face do not sit on it
MIN_PRESENCE = 0.5  # of the landmark network's own face score

RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (33, 133), (263, 362)  # outer, inner
# Eye contours: lower lid from the outer to the inner corner, then upper lid likewise without the corners.
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)

# The views whose landmarks are averaged: (turn in radians, scale of the crop). Their spread tells how sure they are.
_VIEWS = ((0.0, 1.0), (-0.08, 0.94), (0.08, 0.94), (-0.08, 1.06), (0.08, 1.06))


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
    def size(self) -> float:
        """The longer side of the box in pixels."""
        return float((self.box[2:] - self.box[:2]).max())


def _upright(right_eye: np.ndarray, left_eye: np.ndarray, low: np.ndarray, high: np.ndarray) -> Square:
    """A square round a box [low, high], turned so that the line of the eyes lies level."""
    x, y = left_eye - right_eye
    centre = (low + high) / 2
    return Square(float(centre[0]), float(centre[1]), float((high - low).max()) * CROP_SCALE, float(np.arctan2(y, x)))


def _roi_of_landmarks(xy: np.ndarray) -> Square:
    """The crop that landmarks [468, 2] ask for: their bounding box in the turned frame."""
    right, left = xy[RIGHT_EYE_CORNERS[0]], xy[LEFT_EYE_CORNERS[0]]
    x, y = left - right
    frame = Square(0.0, 0.0, 1.0, float(np.arctan2(y, x)))
    turned = frame.from_image(xy)
    low, high = turned.min(0), turned.max(0)
    centre = frame.to_image((low + high) / 2)
    return Square(float(centre[0]), float(centre[1]), float((high - low).max()) * CROP_SCALE, frame.angle)


def _landmarks(image: np.ndarray, roi: Square) -> tuple[np.ndarray, float]:
    """[468, 3] in pixels of the image, and the network's face score."""
    net = network("face_landmark")
    points, logit = net(sample_square(image, roi, net.input_size))
    points = points.reshape(468, 3).astype(np.float64) / net.input_size
    landmarks = np.concatenate([roi.to_image(points[:, :2]), points[:, 2:] * roi.size], 1)
    return landmarks, float(1 / (1 + np.exp(-np.clip(float(logit.ravel()[0]), -80, 80))))


def _eye(image: np.ndarray, outer: np.ndarray, inner: np.ndarray, *, left: bool, angle: float):
    """Contour [16, 2] and iris [5, 2] of one eye, in pixels of the image. The network knows right eyes only."""
    net = network("iris_landmark")
    centre = (outer + inner) / 2
    square = Square(float(centre[0]), float(centre[1]), float(np.hypot(*(outer - inner))) * EYE_CROP_SCALE, angle)
    crop = sample_square(image, square, net.input_size)
    first, second = net(crop[:, ::-1] if left else crop)
    contour, iris = (first, second) if first.size > second.size else (second, first)

    def place(points: np.ndarray) -> np.ndarray:
        points = points.reshape(-1, 3)[:, :2].astype(np.float64) / net.input_size
        if left:
            points[:, 0] = 1 - points[:, 0]
        return square.to_image(points)

    return place(contour)[:16], place(iris)


def _read(image: np.ndarray, detection: Detection, turn: float = 0.0) -> FaceReading:
    """Read one face; `turn` is added to the angle that the detector's eyes give."""
    box = detection.box
    roi = _upright(detection.points[0], detection.points[1], box[:2], box[2:])
    roi = dataclasses.replace(roi, angle=roi.angle + turn)
    for _ in range(2):  # the second crop comes from better knowledge than a box
        landmarks, score = _landmarks(image, roi)
        roi = _roi_of_landmarks(landmarks[:, :2])
    views = [_landmarks(image, Square(roi.x, roi.y, roi.size * scale, roi.angle + angle)) for angle, scale in _VIEWS]
    stack = np.stack([view for view, _ in views])
    landmarks = stack.mean(0)
    spread = np.sqrt(((stack - landmarks)[..., :2] ** 2).sum(-1).mean(0))

    irises = []
    for ids, corners, left in ((RIGHT_EYE, RIGHT_EYE_CORNERS, False), (LEFT_EYE, LEFT_EYE_CORNERS, True)):
        outer, inner = landmarks[corners[0], :2], landmarks[corners[1], :2]
        contour, iris = _eye(image, outer, inner, left=left, angle=roi.angle)
        landmarks[list(ids), :2] = contour  # the eye network sees the lids far better than the face network
        irises.append(iris)

    height, width = image.shape[:2]
    xy = landmarks[:, :2]
    outside = ((xy < 0) | (xy > (width, height))).any(1).mean()
    return FaceReading(
        landmarks=landmarks,
        spread=spread,
        iris=np.concatenate(irises),
        score=max(score, float(np.mean([s for _, s in views]))),
        detection=detection,
        roi=roi,
        outside=float(outside),
    )


def read_faces(image: np.ndarray, *, all: bool = False) -> list[FaceReading]:
    """Faces of image uint8 [H, W, 3], largest first; only the largest unless `all`.

    Places where the detector believes in a face and the landmark network does not are left out.
    """
    readings: list[FaceReading] = []
    for detection in detect(image, search_all=all):
        reading = _read(image, detection)
        if reading.unsteadiness > UNSTEADY:  # the detector misjudges the eye line of faces far from upright
            turned = [_read(image, detection, turn) for turn in (np.pi / 2, np.pi, -np.pi / 2)]
            reading = min([reading, *turned], key=lambda r: r.unsteadiness)
        doubled = any(overlap(reading.box, other.box[None])[0] > 0.5 for other in readings)
        if reading.score >= MIN_PRESENCE and not doubled:
            readings.append(reading)
            if not all:
                break
    return sorted(readings, key=lambda r: -r.size)
