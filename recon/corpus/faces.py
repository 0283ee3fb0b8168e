"""Which face of a picture a corpus takes, and why it takes none."""

from __future__ import annotations

import numpy as np

from readers.detection import Detection, detect
from readers.faces import MIN_PRESENCE, FaceReading, read_detection
from recon.pipeline import MOST_OUTSIDE, MOST_UNSTEADY, SMALLEST_FACE_PX

PEOPLE = ("one", "largest")
RIVAL = 0.5  # times the face's side: another of that size makes it unclear who is meant
REASONS = {
    "unreadable": "the file is missing, damaged or no picture",
    "no_face": "no face was found, or none where the dataset says one is",
    "several_people": f"another face is at least {RIVAL:.0%} as large",
    "too_small": f"the face is under {SMALLEST_FACE_PX} pixels",
    "cut_off": f"more than {MOST_OUTSIDE:.0%} of its landmarks lie beyond the picture",
    "unsteady": f"its landmarks waver by more than {MOST_UNSTEADY:.0%} of its size",
    "blurred": "the crop is blurred",
    "poor_fit": "the fitted head does not meet its landmarks",
    "low_quality": "its quality is below the bound",
    "duplicate": "it hardly differs from one just before",
}


class Rejected(Exception):
    """A picture that a corpus does not take; `reason` is one of REASONS."""

    def __init__(self, reason: str):
        super().__init__(REASONS[reason])
        self.reason = reason


def face_in(image: np.ndarray, *, at: tuple[float, float] | None = None, people: str = "one") -> FaceReading:
    """The face of image uint8 [H, W, 3] that shows `at` a place in pixels; without one the largest.

    Raises Rejected where there is none, where it cannot be used, or, with `people` "one" and no place, where another
    person is nearly as large.
    """
    reading = _largest(image, people) if at is None else _there(image, at)
    for reason, wrong in (
        ("cut_off", reading.outside > MOST_OUTSIDE),
        ("too_small", reading.size < SMALLEST_FACE_PX),
        ("unsteady", reading.unsteadiness > MOST_UNSTEADY),
    ):
        if wrong:
            raise Rejected(reason)
    return reading


def _largest(image: np.ndarray, people: str) -> FaceReading:
    taken: FaceReading | None = None
    for detection in detect(image, search_all=False):
        if taken is not None and (people == "largest" or detection.area < RIVAL**2 * taken.detection.area):
            break
        reading = read_detection(image, detection)
        if reading.score < MIN_PRESENCE:
            continue
        if taken is None:
            taken = reading
        elif not _holds(taken.box, *reading.landmarks[:, :2].mean(0)):
            raise Rejected("several_people")
    if taken is None:
        raise Rejected("no_face")
    return taken


def _there(image: np.ndarray, at: tuple[float, float]) -> FaceReading:
    for everywhere in (False, True):  # the search for small faces takes long, and is seldom needed
        near = [found for found in detect(image, search_all=everywhere) if _holds(found.box, *at)]
        for detection in sorted(near, key=lambda found: _away(found, at)):
            reading = read_detection(image, detection)
            if reading.score >= MIN_PRESENCE and _holds(reading.box, *at):
                return reading
    raise Rejected("no_face")


def _holds(box: np.ndarray, x: float, y: float) -> bool:
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _away(found: Detection, at: tuple[float, float]) -> float:
    return float(np.hypot(*((found.box[:2] + found.box[2:]) / 2 - at)))
