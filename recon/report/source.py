"""What a reconstruction looked at: pictures or a film, and the landmarks that were read in them, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_tools.errors import InputError
from flame_tools.types import HeadArrays, Track
from readers.readings import read_parts
from recon.learned.regressed import base_of, corrected
from recon.learned.regressor import Regressor
from recon.report.fitted import Fitted, FittedTrack
from render.footage import Footage, is_film, open_footage
from render.image import read_image

Pictured = str | os.PathLike | np.ndarray  # a file, or uint8 [H, W, 3] sRGB
SAME_FACE = 0.5  # of the distance between the eyes: what lies further from a track is somebody else


@dataclass(frozen=True)
class Source:
    """Pictures, or a film and the folder of its readings."""

    name: str
    pictures: tuple[Pictured, ...] = ()
    film: Footage | None = None
    parts: Path | None = None  # of readers.film.read_film

    def picture(self, number: int) -> np.ndarray:
        """uint8 [H, W, 3] sRGB, read when it is asked for."""
        one = self.pictures[number]
        return one if isinstance(one, np.ndarray) else read_image(one)


def first_frame(track: Track) -> int:
    """Which frame of its film is a track's first."""
    found = track.provenance.get("first_frame", 0)
    if not isinstance(found, int) or found < 0:
        raise InputError(f"the track says that it begins at frame {found!r} of its film; wanted a number from 0 on")
    return found


def source_of(source: Pictured | Sequence[Pictured] | Footage, parts: Path | None = None) -> Source:
    """What `emberface.recon` was given, as a Source. A film needs the folder `parts` of what was read of it."""
    if isinstance(source, (str, os.PathLike)):
        if not is_film(source):
            return Source(Path(source).name, (source,))
        source = open_footage(source)
    if isinstance(source, np.ndarray):
        return Source("a picture", (source,))
    if isinstance(source, Sequence):
        files = [Path(one).name for one in source if not isinstance(one, np.ndarray)]
        return Source(", ".join(files) or f"{len(source)} pictures", tuple(source))
    if parts is None:
        raise InputError(f"{source.path} is a film and its readings were not given; name the folder that holds them")
    return Source(source.path.name, film=source, parts=parts)


def network_of(track: Track) -> Regressor | None:
    """The network that said where a track's landmarks are."""
    return base_of(track.head_id) if track.provenance.get("landmarks") == "recon-base" else None


def check_fits(track: Track, source: Source) -> None:
    """Raise InputError where a track cannot come from a source."""
    if track.camera is None:
        raise InputError("the track has no camera, so its head cannot be laid over a picture; reconstruct it from one")
    if source.film is None:
        if len(track) not in (1, len(source.pictures)) or (len(track) == 1 < len(source.pictures)):
            raise InputError(f"the track has {len(track)} frames, but there are {len(source.pictures)} pictures")
        return
    end = first_frame(track) + len(track)
    if end > source.film.count or tuple(track.camera.size) != tuple(source.film.size):
        own, (width, height) = track.camera.size, source.film.size
        raise InputError(
            f"the track ends at frame {end} of {own[0]} x {own[1]} pixels, but {source.name} has {source.film.count} "
            f"frames of {width} x {height}; give the film it was made of"
        )


def read_landmarks(track: Track, source: Source, fitted: FittedTrack) -> Iterator[np.ndarray | None]:
    """For each frame of a track the landmarks [468, 2] in pixels that were read of its face; None where none were.

    `fitted` says where the track has them, frame by frame; it is gone through in order, as often as is needed.
    """
    if source.film is None:
        head = fitted.head.arrays
        yield from (_in_picture(source.picture(i), one, track, head) for i, one in enumerate(fitted))
        return
    whose = _number_of(source, first_frame(track), fitted)
    wanted = 0  # frame of the track
    for part in read_parts(source.parts):
        for row in np.flatnonzero(part.id == whose):
            place = int(part.frame[row]) - first_frame(track)
            if not wanted <= place < len(track):
                continue
            yield from (None for _ in range(place - wanted))
            yield part.landmarks[row].astype(np.float64)
            wanted = place + 1
    yield from (None for _ in range(len(track) - wanted))


def _in_picture(image: np.ndarray, fitted: Fitted, track: Track, head: HeadArrays) -> np.ndarray | None:
    from readers.faces import read_faces

    near = [(fitted.error(face.landmarks[:, :2]).mean(), face) for face in read_faces(image)]
    if not near or min(near, key=lambda pair: pair[0])[0] > SAME_FACE:  # not the largest face, perhaps
        near = [(fitted.error(face.landmarks[:, :2]).mean(), face) for face in read_faces(image, all=True)]
    if not near:
        return None
    error, face = min(near, key=lambda pair: pair[0])
    if error > SAME_FACE:
        return None
    net = network_of(track)
    return face.landmarks[:, :2] if net is None else corrected(net, head, image, face.landmarks, face.iris)


def _number_of(source: Source, first: int, fitted: Sequence[Fitted]) -> int:
    """The number under which the follower knows the face that a track follows."""
    votes: dict[int, float] = {}
    frames = iter(fitted)
    at, one = -1, None
    for part in read_parts(source.parts):
        for row in range(len(part)):
            place = int(part.frame[row]) - first
            if place < 0:
                continue
            while at < place and (one := next(frames, None)) is not None:
                at += 1
            if one is None:
                break
            near = 1 - float(one.error(part.landmarks[row].astype(np.float64)).mean()) / SAME_FACE
            number = int(part.id[row])
            votes[number] = votes.get(number, 0.0) + max(near, 0.0)
    if not votes or max(votes.values()) == 0:
        raise InputError(
            f"the readings of {source.name} hold no face where the track has one; they are of another film"
        )
    return max(sorted(votes), key=votes.get)
