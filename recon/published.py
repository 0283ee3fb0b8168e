"""Photos and films to Tracks by the published networks, whose files the user has.

    network = open_checkpoint("SMIRK_em1.pt")            # recon.networks.face_network
    (track,) = read_photo(image, head, network)          # or read_film_by("talk.mp4", head, network)

The Tracks are as those of `recon.pipeline` and `recon.film`, but for what the networks do not say: no standard
deviations, no texture, and a camera that sees the whole head at one depth.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import Camera, Curves, FaceParams, Track
from recon.film.motion import LEAST_TRUST
from recon.film.rows import Rows
from recon.film.track import followed_people, kept_parts
from recon.fitting.evaluate import IBUG_68
from recon.fitting.observation import View
from recon.fitting.priors import DISTANCE_M
from recon.networks.codes import FlameCodes, face_params
from recon.networks.face_network import FaceCodes, FaceNetwork
from recon.pipeline import check_image, faces_in
from recon.report.fitted import FittedTrack
from render.camera import at_frame
from render.footage import Footage, Sound, frames_at, open_footage

_MOVING = ("expression", "global_rotation", "jaw", "camera", "eyelids")


class _Said:
    """What a network said of one person: the sum of identities, and the little that moves, frame by frame."""

    def __init__(self):
        self.places: list[int] = []  # frames, ascending
        self.shape = np.zeros(0)
        self.moving: dict[str, list[np.ndarray]] = {}

    def add(self, place: int, one: FaceCodes) -> None:
        """Take what was said of a frame, unless it is no face."""
        if one.camera is None:
            return
        self.shape = one.codes.shape.double().numpy() + (self.shape if self.places else 0)
        self.places.append(place)
        moving = {name: getattr(one.codes, name) for name in _MOVING}
        values = {name: value.numpy().copy() for name, value in moving.items() if value is not None}
        for name, value in (values | {"focal": one.camera.focal, "centre": one.camera.centre}).items():
            self.moving.setdefault(name, []).append(value)

    def posed(self, count: int, size: tuple[int, int], head: Head, network: FaceNetwork) -> tuple[FaceParams, Camera]:
        """Parameters and camera at so many frames; where nothing was said, that which was said last holds.

        The camera looks from the origin through the picture's middle, as that of a fit: where the face is in the
        picture, its translation says. It stands DISTANCE_M before the camera, since nothing tells how far.
        """
        if not self.places:
            raise InputError(
                f"{network.file} says numbers of this face that no camera has; if it is not a training's beginning, "
                "download it again"
            )
        holds = (np.searchsorted(self.places, np.arange(count), side="right") - 1).clip(0)
        moving = {name: np.stack(values)[holds] for name, values in self.moving.items()}
        focal, centre, view = moving.pop("focal"), moving.pop("centre"), View(size, weak=True)
        at = np.concatenate([(centre - view.middle) / focal * (1, -1), np.full((count, 1), -DISTANCE_M)], 1)
        mean = torch.from_numpy((self.shape / len(self.places)).astype(np.float32))
        codes = FlameCodes(shape=mean, **{name: torch.from_numpy(values) for name, values in moving.items()})
        params = face_params(codes, head).replace(translation=torch.from_numpy(at))
        return params.to(head.v_template.dtype), view.camera(focal[:, 0])


def read_photo(
    image: np.ndarray,  # [H, W, 3] uint8 sRGB
    head: Head,
    network: FaceNetwork,
    *,
    all_faces: bool = False,
) -> list[Track]:
    """One-frame Tracks of the faces in a picture, largest first; only the largest unless `all_faces`.

    Raises InputError where no face can be used or the head is no FLAME, ShapeError where it has too few components.
    """
    check_image(image, None)
    network.check(head)
    size = (image.shape[1], image.shape[0])
    tracks = []
    for reading in faces_in(image, all_faces=all_faces):
        said = _Said()
        for one in network.read([network.cut(image, reading.landmarks)], size):
            said.add(0, one)
        params, camera = said.posed(1, size, head, network)
        inside = np.float32([1 - reading.outside])
        track = _track(network, head, params, at_frame(camera, 0), np.zeros(1)).replace(visibility=inside)
        face = {
            "score": round(reading.score, 4),
            "box": reading.box.round(1).tolist(),
            "unsteadiness": round(reading.unsteadiness, 4),
        }
        quality = _errors(track, head, lambda landmarks=reading.landmarks: [(0, landmarks)]) | {"coverage": 1.0}
        tracks.append(track.replace(provenance=track.provenance | {"quality": quality, "face": face}))
    return tracks


def read_film_by(
    path: str | os.PathLike,
    head: Head,
    network: FaceNetwork,
    *,
    all_faces: bool = False,
    fps: Fraction | int | None = None,  # of a folder of pictures
    parts: str | os.PathLike | None = None,  # a folder for what is read, to go on from
    progress: Callable[[float], None] = lambda share: None,
) -> list[Track]:
    """Tracks of the people in a film, who is seen longest first; only that one unless `all_faces`.

    Frames, sound and times are as `recon.film.track.track_film`'s. The identity is the mean of what the network says
    frame by frame; nothing is smoothed. Frames that cannot be trusted hold what was said before: `visibility` and the
    curves "tracking" tell which.

    Raises InputError where no face can be followed, and what `read_photo` and open_footage raise.
    """
    network.check(head)
    footage = open_footage(path, fps=fps)
    with kept_parts(parts) as folder:
        people = followed_people(footage, folder, all_faces=all_faces, progress=lambda share: progress(0.5 * share))
        sound, share = footage.sound(), 0.5 / len(people)
        return [
            _person(rows, footage, sound, head, network, lambda s, i=i: progress(0.5 + share * (i + s)))
            for i, rows in enumerate(people)
        ]


def _person(
    rows: Rows,
    footage: Footage,
    sound: Sound | None,
    head: Head,
    network: FaceNetwork,
    progress: Callable[[float], None],
) -> Track:
    first, count = int(rows.frame[0]), int(rows.frame[-1] - rows.frame[0]) + 1
    trusted = rows.trust >= LEAST_TRUST
    said = _Said()
    for place, one in _faces_said(rows, trusted, footage, network):
        said.add(place, one)
        progress((place + 1) / count)
    params, camera = said.posed(count, footage.size, head, network)
    trust, bridged = np.zeros(count, np.float32), np.ones(count, bool)
    trust[rows.frame - first], bridged[said.places] = rows.trust, False
    track = _track(network, head, params, camera, np.asarray(footage.times_s[first : first + count])).replace(
        fps=None if footage.fps is None else footage.fps.as_integer_ratio(),
        visibility=np.where(bridged, np.float32(0), trust),
        curves={"tracking": Curves(("trust", "bridged"), np.stack([trust, bridged], 1).astype(np.float32))},
    )
    if sound is not None:
        track = track.replace(audio=sound.samples, audio_rate=sound.rate, audio_start_s=sound.start_s)
    coverage = {"coverage": round(float(1 - bridged.mean()), 5)}
    seen = np.isin(rows.frame - first, said.places)
    quality = _errors(track, head, lambda: ((n - first, landmarks) for n, landmarks in _marks(rows, seen))) | coverage
    return track.replace(provenance=track.provenance | {"quality": quality, "first_frame": first})


def _faces_said(
    rows: Rows, trusted: np.ndarray, footage: Footage, network: FaceNetwork
) -> Iterator[tuple[int, FaceCodes]]:
    """What the network says of the trusted rows, and in which frame from the person's first on.

    A stretch of frames without a gap is a film of its own.
    """
    frames = rows.frame[trusted]
    edges = [0, *(np.flatnonzero(np.diff(frames) > 1) + 1).tolist(), len(frames)]
    drawn = zip(_marks(rows, trusted), frames_at(footage, map(int, frames)), strict=True)
    faces = (network.cut(frame.image, landmarks) for (_, landmarks), frame in drawn)
    for start, stop in itertools.pairwise(edges):
        stretch = (next(faces) for _ in range(stop - start))
        for number, said in zip(frames[start:stop], network.read(stretch, footage.size), strict=True):
            yield int(number - rows.frame[0]), said


def _marks(rows: Rows, chosen: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Numbers of the chosen rows' frames, and their landmarks [468, 2] in pixels; a part in memory at a time."""
    for (_, readings), (_, where) in zip(rows.by_part(), rows.stretches(), strict=True):
        for i in np.flatnonzero(chosen[where]):
            yield int(readings.frame[i]), readings.landmarks[i].astype(np.float64)


def _track(network: FaceNetwork, head: Head, params: FaceParams, camera: Camera, times: np.ndarray) -> Track:
    return Track(
        head_id=head.arrays.id,
        params=params,
        time_s=times,
        camera=camera,
        provenance={
            "made_by": network.system,
            "checkpoint": {"file": network.file, "sha256": network.sha256},
            "landmarks": "MediaPipe",
            "metric_scale": f"the identity that {network.system} says",
        },
        licences=tuple(dict.fromkeys((head.arrays.licence, network.licence))),
    )


def _errors(track: Track, head: Head, read: Callable[[], Iterable[tuple[int, np.ndarray]]]) -> dict[str, float]:
    """Mean distances from the landmarks [468, 2 or 3] that were read in some frames, over that between the eyes.

    A figure for each set of landmarks that the head has: nme_468, nme_105 (both MediaPipe's), nme_68, or nme_51.
    """
    sets = {"468": np.arange(468), "68": np.array(IBUG_68)}
    if "68" not in head.arrays.landmarks:
        sets["51"] = np.array(IBUG_68[17:])
    if (own := head.arrays.landmarks.get("105")) is not None and len(own.index) and own.index.max() < 468:
        sets["105"] = own.index
    figures = {}
    for name, index in sets.items():
        if name not in head.arrays.landmarks:
            continue
        fitted, at, errors = iter(FittedTrack(track, head, name)), -1, []
        for place, landmarks in read():
            while at < place:
                one, at = next(fitted), at + 1
            errors.append(float(one.error(landmarks[index, :2]).mean()))
        figures[f"nme_{name}"] = round(float(np.mean(errors)), 5)
    return figures
