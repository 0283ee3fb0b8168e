"""Face boxes by MediaPipe's short-range BlazeFace on a pyramid of windows, so that small faces are found too.

The network looks at 128 x 128 pixels and knows faces that fill a good part of them. Its 896 anchors sit at the cell
centres of a 16 x 16 grid (2 each) and an 8 x 8 grid (6 each), all of size 1; boxes and key points come in pixels of
the input, relative to their anchor (Bazarevsky et al. 2019, and MediaPipe's published graph).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from readers.networks import network
from readers.sampling import Square, reduce, sample_square

MIN_SCORE = 0.5  # MediaPipe's own threshold
SURE_SCORE = 0.75  # a face this sure in the whole view ends the search for the largest face
MAX_OVERLAP = 0.3  # boxes that share more than this (intersection over union) are one face
_LEVELS = (1.0, 0.5, 0.25, 0.125)  # window side over the image's long side
_SMALLEST_WINDOW = 96  # pixels: what only a smaller one shows is too small to be read


@dataclass(frozen=True)
class Detection:
    """A face found in an image, in its pixels."""

    box: np.ndarray  # [4] left, top, right, bottom
    points: np.ndarray  # [6, 2] right eye, left eye, nose, mouth, right ear, left ear
    score: float  # in [0, 1]

    @property
    def area(self) -> float:
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


def _anchor_centres() -> np.ndarray:
    """[896, 2] in [0, 1] of the input."""
    layers = []
    for cells, copies in ((16, 2), (8, 6)):
        steps = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        layers.append(np.repeat(grid, copies, axis=0))
    return np.concatenate(layers)


_ANCHORS = _anchor_centres()


def _look(image: np.ndarray, window: Square) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes [n, 4], key points [n, 6, 2] in pixels and scores [n] of one window, before any suppression."""
    net = network("face_detection_short_range")
    size = net.input_size
    values, logits = net(sample_square(image, window, size, outside="black") * 2 - 1)
    scores = 1 / (1 + np.exp(-np.clip(logits[:, 0], -100, 100).astype(np.float64)))
    keep = scores > MIN_SCORE
    values, anchors, scores = values[keep].astype(np.float64) / size, _ANCHORS[keep], scores[keep]
    centre, extent = values[:, :2] + anchors, values[:, 2:4]
    corners = np.stack([centre - extent / 2, centre + extent / 2], 1)
    points = values[:, 4:].reshape(-1, 6, 2) + anchors[:, None]
    return window.to_image(corners).reshape(-1, 4), window.to_image(points), scores


def _look_at(image: np.ndarray, windows: list[Square]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """`_look` at many windows of one size, on an image reduced once for all of them."""
    factor = max(1, int(min((w.size for w in windows), default=0) / network("face_detection_short_range").input_size))
    small = reduce(image, factor)
    looks = []
    for w in windows:
        boxes, points, scores = _look(small, Square(w.x / factor, w.y / factor, w.size / factor))
        looks.append((boxes * factor, points * factor, scores))
    return looks


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of box [4] with others [n, 4]."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return shared / np.maximum(np.prod(box[2:] - box[:2]) + areas - shared, 1e-12)


def merge(boxes: np.ndarray, points: np.ndarray, scores: np.ndarray) -> list[Detection]:
    """Weighted non-maximum suppression: each group of overlapping boxes becomes their score-weighted mean."""
    left = np.argsort(-scores, kind="stable")
    found = []
    while len(left):
        together = overlap(boxes[left[0]], boxes[left]) > MAX_OVERLAP
        together[0] = True
        group, left = left[together], left[~together]
        weight = scores[group] / scores[group].sum()
        found.append(
            Detection(weight @ boxes[group], np.tensordot(weight, points[group], 1), float(scores[group].max()))
        )
    return found


def _windows(width: int, height: int, level: float) -> list[Square]:
    """Square windows of one pyramid level; neighbours overlap by half."""
    if level == 1.0:  # the whole image, and once more with a margin: a face may fill more than the frame
        whole = Square(width / 2, height / 2, float(max(width, height)))
        return [whole, Square(whole.x, whole.y, whole.size * 2)]
    side = level * max(width, height)
    if side < _SMALLEST_WINDOW:
        return []

    def centres(length: int) -> np.ndarray:
        if length <= side:
            return np.array([length / 2])
        count = int(np.ceil((length - side) / (side / 2))) + 1
        return np.linspace(side / 2, length - side / 2, count)

    return [Square(x, y, side) for y in centres(height) for x in centres(width)]


def _same_face(a: Detection, b: Detection) -> bool:
    """One box within another, as a window that saw half a face gives."""
    low, high = np.maximum(a.box[:2], b.box[:2]), np.minimum(a.box[2:], b.box[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared > 0.5 * min(a.area, b.area)


def detect(image: np.ndarray, *, search_all: bool = True, levels: int = len(_LEVELS)) -> list[Detection]:
    """Faces of image uint8 [H, W, 3], largest first. With fewer `levels` of the pyramid small faces are not found.

    With `search_all` off the search ends at the first level of the pyramid that holds a sure face: enough, and much
    faster, when only the largest face is wanted.
    """
    height, width = image.shape[:2]
    found: list[Detection] = []
    for level in _LEVELS[:levels]:
        looks = _look_at(image, _windows(width, height, level))
        if not looks:
            break
        for one in merge(*(np.concatenate(part) for part in zip(*looks, strict=True))):
            if not any(_same_face(one, other) for other in found):  # a coarser level saw it with more around it
                found.append(one)
        if not search_all and any(one.score >= SURE_SCORE for one in found):
            break
    return sorted(found, key=lambda d: (-d.area, d.box[0], d.box[1]))
