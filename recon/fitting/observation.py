"""What one picture says of a face, and how much a fit believes it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from flame_tools.errors import InputError
from flame_tools.types import Camera
from readers.faces import FaceReading

if TYPE_CHECKING:
    from recon.fitting.layout import Layout

TO_CAMERA = np.diag([1.0, -1.0, -1.0])  # world (y up, z towards the viewer) to OpenCV axes


@dataclass(frozen=True)
class FitOptions:
    """How a fit weighs what it knows."""

    noise: float = 0.035
    """Standard deviation of a landmark, as a share of the distance between the eyes. Neighbours err together, so this
    is larger than the error of a single landmark."""
    iris_noise: float = 0.015
    """The same of an iris centre."""
    gap_noise: float = 0.012
    """The same of the distance between facing points of the lips or of the lids, which is read better than places."""
    along_oval: float = 0.4
    """How much a landmark of the face's outline weighs along the outline, where it slides; across it weighs 1."""
    far_side: float = 0.15
    """How much a landmark weighs that faces away from the camera."""
    together: float = 1.5
    """By how much more a landmark errs than a reader that tells its noise says: neighbours err together."""
    alike: float = 0.5
    """How alike landmarks err in several pictures of one person: 0 independently, 1 so that more pictures tell no more
    of who it is."""
    guessed: tuple[str, ...] = ()
    """Parts of a Layout of which a reader's guess is believed, for what it is worth; of the rest the head's priors."""
    steps: int = 40
    """Most steps of the solver."""


USUAL = FitOptions()


@dataclass(frozen=True)
class View:
    """The camera that took a picture, as far as it is known. The default stands at the origin and looks along -z."""

    size: tuple[int, int]  # width, height
    focal_px: float | None = None
    centre: np.ndarray | None = None  # [2] pixels: the principal point; the picture's middle where None
    world_to_camera: np.ndarray | None = None  # [4, 4] in OpenCV axes, of a calibrated set
    weak: bool = False  # weak perspective: the whole head lies at one depth, of which nothing is known

    def __post_init__(self):
        if self.weak and not (self.focal_px is None and self.world_to_camera is None):
            raise InputError(
                "a focal length or a place was given to a camera of weak perspective, which has neither; leave it "
                "out, or fit in perspective"
            )

    @property
    def middle(self) -> np.ndarray:
        """[2] pixels, where the optical axis meets the picture."""
        return np.array(self.size) / 2 if self.centre is None else np.asarray(self.centre, np.float64)

    @property
    def rotation(self) -> np.ndarray:
        """[3, 3] of the world into the camera's axes."""
        return TO_CAMERA if self.world_to_camera is None else np.asarray(self.world_to_camera, np.float64)[:3, :3]

    @property
    def shift(self) -> np.ndarray:
        """[3] metres: the world's origin in the camera's axes."""
        return np.zeros(3) if self.world_to_camera is None else np.asarray(self.world_to_camera, np.float64)[:3, 3]

    @property
    def place(self) -> np.ndarray:
        """[3] metres: where the camera stands in the world."""
        return -self.rotation.T @ self.shift

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrix [3, 3] and shift [3] that take the world to x, y and the depth they are divided by.

        In weak perspective that is 1 everywhere: the last row of an affine camera (Hartley and Zisserman 2004, 6.3).
        """
        if not self.weak:
            return self.rotation, self.shift
        return self.rotation * [[1.0], [1.0], [0.0]], np.append(self.shift[:2], 1.0)

    def project(self, points: np.ndarray, focal: float) -> np.ndarray:
        """World points [n, 3] -> pixels [n, 2]. In weak perspective `focal` is in pixels a metre."""
        matrix, shift = self.axes
        camera = points @ matrix.T + shift
        return focal * camera[:, :2] / camera[:, 2:] + self.middle

    def sight(self, points: np.ndarray) -> np.ndarray:
        """World points [n, 3] -> unit vectors [n, 3] from each towards the camera."""
        if self.weak:
            return np.broadcast_to(-self.rotation[2], points.shape)
        towards = self.place - points
        return towards / np.linalg.norm(towards, axis=1, keepdims=True)

    def told(self, sd: np.ndarray, layout: Layout) -> np.ndarray:
        """Standard deviations [..., K] of a fit, NaN for what such a camera does not tell: how far away the head is."""
        if not self.weak:
            return sd
        return np.where(np.arange(layout.size) == layout.translation.stop - 1, np.nan, sd)

    def camera(self, focal: float | np.ndarray) -> Camera:
        """The camera of a focal length, or of one for each frame [T]; in weak perspective an orthographic one."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation, self.shift
        return Camera(np.stack([focal, focal], -1), self.middle, self.size, self.weak, pose)


@dataclass(frozen=True)
class Guess:
    """What a reader believes of all unknowns of a Layout at a glance: a fit begins there (and see `guessed`)."""

    mean: np.ndarray  # [K] within the head's bounds
    sd: np.ndarray  # [K]; infinite where nothing is told


@dataclass(frozen=True)
class Observation:
    """What a picture says, in its pixels."""

    landmarks: np.ndarray  # [468, 2]
    iris: np.ndarray  # [2, 2] centres: right, left
    iris_radius: np.ndarray  # [2] pixels: right, left
    view: View
    together: float = 0.0  # in [0, 1]: how surely an open mouth shows teeth that are together
    tongue: float = 0.0  # in [0, 1]: how far the tongue is out, as the reader tells; no landmark does
    trust: np.ndarray = field(default_factory=lambda: np.ones(468))  # [468] in [0, 1]: 0 where something covers it
    noise: np.ndarray | None = None  # [468] pixels: each landmark's own standard deviation, where the reader tells
    guess: Guess | None = None  # where the reader tells more than landmarks

    @staticmethod
    def of(
        reading: FaceReading, size: tuple[int, int], focal_px: float | None = None, together: float = 0.0
    ) -> Observation:
        return observed(reading.landmarks[:, :2], reading.iris, View(size, focal_px), together)

    def only(self, use: np.ndarray) -> Observation:
        """The same where `use` [468] bool holds; the other landmarks are not looked at."""
        return dataclasses.replace(self, trust=self.trust * use)


def observed(
    landmarks: np.ndarray, iris: np.ndarray, view: View, together: float = 0.0, tongue: float = 0.0
) -> Observation:
    """An observation from landmarks [468, 2] and irises [10, 2] (right centre and ring of four, left likewise)."""
    rings = iris.reshape(2, 5, 2)
    # a turned eye's iris is foreshortened along one axis only: the longer diameter is the true one
    diameters = np.linalg.norm(rings[:, 1:3] - rings[:, 3:5], axis=-1)
    return Observation(landmarks, rings[:, 0], diameters.max(1) / 2, view, together, tongue)
