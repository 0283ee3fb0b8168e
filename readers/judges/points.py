"""What the emotion judge reads: how far points of the skin have moved from the face at rest, as in motion capture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flame_tools.head import Head
from flame_tools.types import FaceParams

_MOVED_MM = 1.0  # by some component of the expression


class Points:
    """Some points of a head's face."""

    def __init__(self, head: Head, index: tuple[int, ...]):
        self.head = head.only(torch.as_tensor(index).long())

    def moved(self, params: FaceParams) -> Tensor:
        """[..., N, 3] mm from where the points of the same person rest, in the head's own frame."""
        rest = FaceParams.neutral(self.head).replace(shape=params.shape)
        return 1e3 * (self.head.vertices(params.in_head_frame()) - self.head.vertices(rest))


def points_of(head: Head, count: int) -> tuple[int, ...]:
    """`count` vertices of the face's skin that expressions move, each as far from the ones before as can be."""
    face = head.arrays.regions["face"]
    reach = np.linalg.norm(head.arrays.expressiondirs[face], axis=1).max(-1)
    skin = face[1e3 * reach > _MOVED_MM]
    places = np.asarray(head.arrays.v_template)[skin]
    chosen = [int(places[:, 2].argmax())]  # the tip of the nose
    distance = np.full(len(skin), np.inf)
    while len(chosen) < min(count, len(skin)):
        distance = np.minimum(distance, np.linalg.norm(places - places[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return tuple(sorted(int(i) for i in skin[chosen]))
