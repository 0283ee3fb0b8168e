"""What recon-base says of a face in a picture, in the unknowns of a fit: a start for it, and a second opinion."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from assets.locate import asset_path
from flame_tools.smooth import smooth_step
from flame_tools.types import HeadArrays
from readers.faces import FaceReading
from readers.following import FaceInFrame
from readers.landmarks import roi_of_landmarks
from readers.sampling import Square, sample_square
from recon.fitting.fit import LandmarkFit, fit
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.observation import USUAL, Guess, Observation, View
from recon.fitting.priors import FOCAL_OVER_LONG_SIDE, bounds, prior, tongue_in
from recon.fitting.rotation import rotation_matrix
from recon.learned.crop import CUT, TIGHT, CropCamera, anchor_of
from recon.learned.regressor import Estimate, Regressor, fused, load_regressor, marks_of
from recon.learned.twice import Twice, twice

BELIEVED = ("shape", "eyes", "eyelids")  # expression and jaw are told better by the landmarks that it sees
STEPS = 2  # from so good a guess: eight more bring made faces nothing nearer
LOST, AWAY = (0.1, 0.15), (0.09, 0.14)  # of the distance between the eyes: deviations, and steps from what was read
READERS_SD = 0.06  # the same: of what was read


@dataclass(frozen=True)
class Expected:
    """Normal distributions, one for each unknown of a Layout and each landmark."""

    mean: np.ndarray  # [K]
    sd: np.ndarray  # [K]; infinite where nothing is told
    landmarks: np.ndarray  # [468, 2] pixels
    landmarks_sd: np.ndarray  # [468] pixels


def crop_of(image: np.ndarray, landmarks: np.ndarray, iris: np.ndarray, size: int):
    """The crop of landmarks [468, 3] in a picture: its Square, pixels [size, size, 3] in [0, 1], marks [478, 3]."""
    roi = roi_of_landmarks(landmarks[:, :2])
    cut = Square(roi.x, roi.y, roi.size * TIGHT, roi.angle)
    own = np.concatenate([roi.from_image(landmarks[:, :2]), landmarks[:, 2:] / roi.size], 1)
    return roi, sample_square(image, cut, size), marks_of(own, roi.from_image(iris))


@torch.inference_mode()
def expected(
    net: Regressor | Twice,
    head: HeadArrays,
    model: LandmarkModel,
    faces: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, View]],  # image, landmarks [468, 3], iris [10, 2], view
) -> list[Expected]:
    """What the network expects of faces that were read in pictures."""
    crops = [crop_of(image, landmarks, iris, CUT) for image, landmarks, iris, _ in faces]
    pictures = torch.as_tensor(np.stack([picture for _, picture, _ in crops])).permute(0, 3, 1, 2).float()
    told = torch.as_tensor(np.stack([marks for _, _, marks in crops])).float()
    found = net(pictures, told)
    face = net.scale.inverse(found.face).double().numpy()
    face_sd = (net.scale.sd * torch.exp(0.5 * found.face_logvar)).double().numpy()
    turn = found.turn.double().numpy()
    pose, pose_sd = found.pose.double().numpy(), torch.exp(0.5 * found.pose_logvar).double().numpy()
    places, places_sd = found.marks.double().numpy(), torch.exp(0.5 * found.marks_logvar).double().numpy()
    lay, anchor, root = model.layout, anchor_of(head), model.joint_template[0]
    results = []
    for i, (roi, _, _) in enumerate(crops):
        view = faces[i][3]
        focal = view.focal_px or FOCAL_OVER_LONG_SIDE * max(view.size)
        rotation, at = CropCamera(roi, focal, view.middle).to_world(
            turn[i] @ rotation_matrix(pose[i, :3]), pose[i, 3:6]
        )
        mean, sd = np.zeros(lay.size), np.full(lay.size, np.inf)
        mean[: lay.rotation.start], sd[: lay.rotation.start] = face[i], face_sd[i]
        mean[lay.rotation] = _axis_angle(view.rotation.T @ np.diag([1.0, -1.0, -1.0]) @ rotation)
        sd[lay.rotation] = pose_sd[i, :3]
        at = view.rotation.T @ (at * (1, -1, -1) - view.shift)
        mean[lay.translation] = at - (rotation_matrix(mean[lay.rotation]) @ (anchor - root) + root)
        mean[lay.log_focal] = np.log(focal)
        results.append(Expected(mean, sd, roi.to_image(places[i]), places_sd[i] * roi.size))
    return results


def regressed(head: HeadArrays, model: LandmarkModel, seen: Observation) -> LandmarkFit:
    """The likeliest face by what `sharpened` told at a glance: who it is, gaze, lids, and the landmarks."""
    return fit(head, model, seen, options=dataclasses.replace(USUAL, guessed=BELIEVED, steps=STEPS))


def base_of(head_id: str) -> Regressor | None:
    """The bundled recon-base, where it is one for that head."""
    net = _bundled()
    return net if net.config.head_id == head_id else None


@functools.lru_cache(maxsize=1)
def _bundled() -> Regressor:
    return fused(load_regressor(asset_path("recon-base")))


def sharpened(
    net: Regressor, head: HeadArrays, model: LandmarkModel, image: np.ndarray, reading: FaceReading, seen: Observation
) -> Observation:
    """What was read of a face in image [H, W, 3] uint8 sRGB, with the landmarks where the network says that they are,
    how sure it is of each, and what it guesses of the rest."""
    (found,) = expected(twice(net, head), head, model, [(image, reading.landmarks, reading.iris, seen.view)])
    guess = None
    if not seen.view.weak and seen.view.world_to_camera is None:
        tongue = tongue_in(head, model.layout)  # recon-base knows only that an open mouth may show one
        found.mean[tongue], found.sd[tongue] = seen.tongue, prior(head, model.layout)[1][tongue]
        guess = Guess(np.clip(found.mean, *bounds(head, model.layout)), found.sd)
    places, sd = _sure(found.landmarks, found.landmarks_sd, reading.landmarks)
    return dataclasses.replace(seen, landmarks=places, noise=sd, guess=guess)


def _sure(places: np.ndarray, sd: np.ndarray, read: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The network's landmarks [468, 2] and deviations [468], pixels, and the reader's [468, 3] where it is lost.

    So it is at a thick moustache, which it takes for lips: it is unsure, and far from what was read.
    """
    right, left = read[[33, 133], :2].mean(0), read[[263, 362], :2].mean(0)
    apart = np.linalg.norm(right - left)
    step = read[:, :2] - places
    lost = smooth_step(sd / apart, *LOST) * smooth_step(np.linalg.norm(step, axis=1) / apart, *AWAY)
    return places + lost[:, None] * step, sd + lost * (READERS_SD * apart - sd)


def corrected(
    net: Regressor, head: HeadArrays, image: np.ndarray, landmarks: np.ndarray, iris: np.ndarray
) -> np.ndarray:
    """Landmarks [468, 3] and irises [10, 2] as read in a photo -> the landmarks [468, 2] that `sharpened` tells."""
    ((places, sd, _),) = _corrected(twice(net, head), [crop_of(image, landmarks, iris, CUT)])
    return _sure(places, sd, landmarks)[0]


def told_rows(found: Estimate) -> torch.Tensor:
    """[N, 2 (S + E + 8) + 3] what is told of faces, but for their place: means, log-variances, and how the head is
    turned in the crop's camera, a rotation vector."""
    from flame_tools.rotations import axis_angle_from_matrix, matrix_from_axis_angle

    turn = axis_angle_from_matrix(found.turn @ matrix_from_axis_angle(found.pose[:, :3]))
    return torch.cat([found.face, found.face_logvar, turn], 1)


@torch.inference_mode()
def _corrected(net: Regressor | Twice, crops: Sequence[tuple[Square, np.ndarray, np.ndarray]]):
    pictures = torch.as_tensor(np.stack([picture for _, picture, _ in crops])).permute(0, 3, 1, 2).float()
    found = net(pictures, torch.as_tensor(np.stack([marks for _, _, marks in crops])).float())
    places, sds = found.marks.double().numpy(), torch.exp(0.5 * found.marks_logvar).double().numpy()
    told = told_rows(found).numpy()
    rows = zip(crops, places, sds, told, strict=True)
    return [(roi.to_image(place), sd * roi.size, row) for (roi, _, _), place, sd, row in rows]


class NetworkCorrector:
    """A network as the `readers.film.Corrector` of a film."""

    at_once = 16

    def __init__(self, net: Regressor):
        self.net, self.name = net, net.name

    def look(self, image: np.ndarray, face: FaceInFrame) -> tuple[Square, np.ndarray, np.ndarray]:
        return crop_of(image, face.landmarks, face.iris, CUT)

    def correct(self, faces: Sequence[FaceInFrame], looks: Sequence) -> list[FaceInFrame]:
        results = []
        for face, (places, sd, told) in zip(faces, _corrected(self.net, looks), strict=True):
            places, sd = _sure(places, sd, face.landmarks)
            places = np.c_[places, face.landmarks[:, 2]]
            results.append(dataclasses.replace(face, landmarks=places, noise=sd, told=told))
        return results


def _axis_angle(rotation: np.ndarray) -> np.ndarray:
    from flame_tools.rotations import axis_angle_from_matrix

    return axis_angle_from_matrix(torch.from_numpy(np.ascontiguousarray(rotation))).numpy()
