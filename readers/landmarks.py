"""468 landmarks and two eyes from a crop of a face: what a photo's reading and a film's following share.

"Right" and "left" are the subject's. Pixels: x right, y down, centres at +0.5; z is in the same unit, negative
towards the camera, and only as good as a network's guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flame_tools.threads import default_threads, run_tasks
from readers.face_parts import LEFT_EYE, LEFT_EYE_CORNERS, RIGHT_EYE, RIGHT_EYE_CORNERS
from readers.networks import network
from readers.sampling import Square, sample_square

CROP_SCALE = 1.5  # crop side over the face's longer side (MediaPipe's published graph)
EYE_CROP_SCALE = 2.3  # the same for an eye, over the distance between its corners

# The crops whose landmarks are averaged, by number: (turn in radians, scale). Their spread tells how sure they are.
VIEWS = {
    1: ((0.0, 1.0),),
    2: ((-0.06, 0.97), (0.06, 1.03)),
    3: ((0.0, 1.0), (-0.08, 0.95), (0.08, 1.05)),
    5: ((0.0, 1.0), (-0.08, 0.94), (0.08, 0.94), (-0.08, 1.06), (0.08, 1.06)),
}


@dataclass(frozen=True)
class Look:
    """What the networks say of one face in one crop, in pixels of the image."""

    landmarks: np.ndarray  # [468, 3] x, y, z
    spread: np.ndarray  # [468] px, standard deviation over the views; 0 of one view
    iris: np.ndarray  # [10, 2] right centre and ring of 4, left centre and ring of 4
    score: float  # in [0, 1]: the landmark network's belief that this is a face


def roi_of_landmarks(xy: np.ndarray) -> Square:
    """The crop that landmarks [468, 2] ask for: their bounding box in the turned frame."""
    right, left = xy[RIGHT_EYE_CORNERS[0]], xy[LEFT_EYE_CORNERS[0]]
    x, y = left - right
    frame = Square(0.0, 0.0, 1.0, float(np.arctan2(y, x)))
    turned = frame.from_image(xy)
    low, high = turned.min(0), turned.max(0)
    centre = frame.to_image((low + high) / 2)
    return Square(float(centre[0]), float(centre[1]), float((high - low).max()) * CROP_SCALE, frame.angle)


def landmarks_in(image: np.ndarray, roi: Square) -> tuple[np.ndarray, float]:
    """[468, 3] in pixels of the image, and the network's face score."""
    net = network("face_landmark")
    points, logit = net(sample_square(image, roi, net.input_size))
    points = points.reshape(468, 3).astype(np.float64) / net.input_size
    landmarks = np.concatenate([roi.to_image(points[:, :2]), points[:, 2:] * roi.size], 1)
    return landmarks, float(1 / (1 + np.exp(-np.clip(float(logit.ravel()[0]), -80, 80))))


def eye_in(image: np.ndarray, outer: np.ndarray, inner: np.ndarray, left: bool, angle: float):
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


def look(image: np.ndarray, roi: Square, views: tuple[tuple[float, float], ...]) -> Look:
    """Read the face in the crop `roi` of image uint8 [H, W, 3], averaged over slightly different crops.

    Crops, then eyes, are read side by side where there are cores for it; the answer does not depend on that.
    """
    crops = [Square(roi.x, roi.y, roi.size * scale, roi.angle + turn) for turn, scale in views]
    seen = _side_by_side(landmarks_in, [(image, crop) for crop in crops])
    stack = np.stack([points for points, _ in seen])
    landmarks = stack.mean(0)
    spread = np.sqrt(((stack - landmarks)[..., :2] ** 2).sum(-1).mean(0))
    sides = ((RIGHT_EYE_CORNERS, False), (LEFT_EYE_CORNERS, True))
    eyes = _side_by_side(
        eye_in, [(image, *landmarks[list(corners), :2], left, roi.angle) for corners, left in sides]
    )  # fmt: skip
    for ids, (contour, _) in zip((RIGHT_EYE, LEFT_EYE), eyes, strict=True):
        landmarks[list(ids), :2] = contour  # the eye network sees the lids far better than the face network
    irises = np.concatenate([iris for _, iris in eyes])
    return Look(landmarks, spread, irises, float(np.mean([score for _, score in seen])))


def _side_by_side(function: Callable, calls: list[tuple]) -> list:
    """What the calls return, in their order."""
    found = [None] * len(calls)

    def call(n: int) -> None:
        found[n] = function(*calls[n])

    run_tasks(call, [(n,) for n in range(len(calls))], default_threads())
    return found


def share_outside(xy: np.ndarray, width: int, height: int) -> float:
    """Share of the landmarks [468, 2] beyond the image's border."""
    return float(((xy < 0) | (xy > (width, height))).any(1).mean())
