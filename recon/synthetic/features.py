"""Features where no identity of the head puts them: noses that turn up, mouths lower, chins longer.

In a head's identities a nose's tip goes with its base, and a reader that saw no others would tell the one from the
other. People are not so: ICT-FaceKit's mean face has its nose 5 mm longer between the two than the default head's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.types import HeadArrays


@dataclass(frozen=True)
class Feature:
    """A part of the face that may lie elsewhere, with what is near it."""

    marks: tuple[int, ...]  # of the 468: one on the midline, or one on the right and one on the left
    reach_m: float
    sd_m: tuple[float, float, float]  # how far it goes: to the left (of a pair, apart), up, forward
    mean_m: tuple[float, float, float] = (0.0, 0.0, 0.0)  # where MediaPipe's canonical face has it, and no identity


FEATURES = (
    Feature((195,), 0.018, (0.0005, 0.002, 0.002), (0.0, 0.001, 0.001)),  # nose
    Feature((4,), 0.010, (0.0005, 0.0025, 0.0025), (0.0, 0.001, 0.0)),  # and its tip
    Feature((2,), 0.008, (0.0003, 0.0015, 0.001)),  # and its base
    Feature((48, 278), 0.008, (0.0012, 0.0015, 0.0008)),  # and its wings
    Feature((13,), 0.022, (0.0006, 0.002, 0.0022)),  # mouth
    Feature((61, 291), 0.009, (0.0015, 0.001, 0.001)),  # and its corners
    Feature((78, 308), 0.005, (0.0025, 0.001, 0.0012), (-0.0015, 0.0, 0.0)),  # and where it opens
    Feature((199,), 0.02, (0.0008, 0.0025, 0.0025)),  # chin
    Feature((172, 397), 0.022, (0.002, 0.002, 0.001)),  # corners of the jaw
    Feature((50, 280), 0.02, (0.001, 0.0015, 0.0015)),  # cheeks
    Feature((105, 334), 0.013, (0.001, 0.0015, 0.0012)),  # brows
    Feature((9,), 0.028, (0.0003, 0.0015, 0.002)),  # forehead
)
MOST = 1.2  # times those deviations: everyone is unlike the head in a measure of their own
ASKEW = 0.15  # how far the two of a pair differ, in deviations


def random_features(head: HeadArrays, marks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[V, 3] metres to add to a face at rest; `marks` [468, 3] are the head's own landmarks."""
    places = head.v_template.astype(np.float32)
    measure, moved = rng.uniform(0, MOST), np.zeros_like(places)
    for feature in FEATURES:
        go, paired = rng.normal(0, feature.sd_m), len(feature.marks) == 2
        for mark in feature.marks:
            each = measure * (go + paired * ASKEW * rng.normal(0, feature.sd_m)) + feature.mean_m
            if paired and mark == feature.marks[0]:  # on the right, where apart is the other way
                each = each * (-1, 1, 1)
            squared = ((places - marks[mark].astype(np.float32)) ** 2).sum(1)
            moved += np.exp(-0.5 * squared / feature.reach_m**2)[:, None] * each.astype(np.float32)
    return moved.astype(np.float64)
