"""Where a track has its face's landmarks in the picture, frame by frame at constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import person
from flame_tools.types import HeadArrays, Track
from render.camera import at_frame, project

_CHUNK = 64
EYES = (3, 4)  # of flame_tools.types.JOINTS


def check_landmarks(head: HeadArrays, marks: str = "468") -> None:
    """Raise InputError where a head lacks a set of landmarks, named by their number, and residuals cannot be told."""
    found = head.landmarks.get(marks)
    if found is None or len(found.faces) != int(marks):
        raise InputError(
            f"head {head.id!r} has no {marks} landmarks, so there are no residuals to report; leave the report out, or "
            "register the head with its landmark_embedding.npy beside it (emberface head add)"
        )


@dataclass(frozen=True)
class Fitted:
    """One frame's landmarks."""

    landmarks: np.ndarray  # [468, 2] pixels; [L, 2] of another set
    eye_px: float  # the 3D distance between the eye joints, in pixels at their depth
    mm_per_px: float  # at that depth

    def error(self, seen: np.ndarray) -> np.ndarray:
        """[L] distances from landmarks [L, 2] over the distance between the eyes."""
        return np.linalg.norm(self.landmarks - seen, axis=-1) / self.eye_px


@dataclass(frozen=True)
class FittedTrack:
    """All of a track's frames; they are posed anew whenever they are gone through."""

    track: Track
    head: Head
    marks: str = "468"  # of HeadArrays.landmarks

    def __post_init__(self):
        check_landmarks(self.head.arrays, self.marks)

    def __iter__(self) -> Iterator[Fitted]:
        marks = self.head.arrays.landmarks[self.marks]
        used, corners = np.unique(self.head.arrays.faces[marks.faces], return_inverse=True)
        corners, weights = corners.reshape(-1, 3), marks.barycentrics.astype(np.float64)
        small = person(self.track, self.head).only(torch.as_tensor(used, dtype=torch.int64))
        for start in range(0, len(self.track), _CHUNK):
            params = self.track.params.frame(slice(start, start + _CHUNK))
            with torch.no_grad():
                vertices = small.vertices(params).double().numpy()
                eyes = small.skeleton(params)[0][:, list(EYES)].double().numpy()
            points = np.einsum("tlcd,lc->tld", vertices[:, corners], weights)
            for i, (mine, pair) in enumerate(zip(points, eyes, strict=True), start):
                yield self._frame(i, mine, pair)

    def _frame(self, number: int, points: np.ndarray, eyes: np.ndarray) -> Fitted:
        camera = at_frame(self.track.camera, number)
        per_metre = float(np.mean(camera.focal))
        if not camera.orthographic:
            per_metre /= float(project(eyes, camera)[:, 2].mean())
        distance = float(np.linalg.norm(eyes[0] - eyes[1])) * per_metre
        return Fitted(project(points, camera)[:, :2], distance, 1000 / per_metre)
