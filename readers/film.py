"""A film read into numbered parts at constant memory; stopped at any moment, it goes on to the same bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from flame_tools.errors import FormatError, InputError, writing_to
from readers.follower_state import follower_from, state_of
from readers.following import FaceInFrame, Follower, FollowOptions
from readers.readings import Readings, part_files, part_path, read_part, write_part
from render.footage import Footage, Frame

FRAMES_A_PART = 256
_SAMPLED_BYTES = 1 << 20


class Corrector(Protocol):
    """Who knows better where the landmarks of a face are."""

    name: str
    """Which one it is: what another has read is not gone on from."""
    at_once: int
    """How many faces it likes to be given together."""

    def look(self, image: np.ndarray, face: FaceInFrame) -> object:
        """What it has to see of a face in image uint8 [H, W, 3] sRGB."""

    def correct(self, faces: Sequence[FaceInFrame], looks: Sequence) -> list[FaceInFrame]:
        """The same faces with better landmarks, and their noise; what was seen of each is in `looks`."""


def read_film(
    footage: Footage,
    folder: str | os.PathLike,  # where the parts go; parts of the same film that are there are gone on from
    *,
    options: FollowOptions | None = None,
    correct: Corrector | None = None,  # of the landmarks that are kept; faces are followed by those that are read
    frames_a_part: int = FRAMES_A_PART,
    progress: Callable[[int], None] | None = None,  # called with the number of frames that are done
) -> Iterator[Readings]:
    """Yield the readings part by part, those that are there already first. The parts stay in the folder.

    Raises InputError where the folder holds parts of another film, of other options or another `correct`.
    """
    options = options or FollowOptions()
    if frames_a_part < 1:
        raise InputError(f"frames_a_part is {frames_a_part}, wanted at least 1")
    folder = Path(folder)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
    film = {
        "film": fingerprint(footage),
        "frames_a_part": frames_a_part,
        "correct": None if correct is None else correct.name,
    }
    follower, done, number, ended = Follower(options), 0, 0, False
    for path in part_files(folder):
        readings, header, state = read_part(path)
        if header.get("correct") != film["correct"]:
            whose = [one or "nobody" for one in (header.get("correct"), film["correct"])]
            raise InputError(
                f"landmarks in {path} were corrected by {whose[0]}, wanted by {whose[1]}; choose another folder"
            )
        if {name: header.get(name) for name in film} != film or _options(header) != dataclasses.asdict(options):
            raise InputError(
                f"{path} was read from another film or with other options; choose another folder, or empty this one"
            )
        follower = follower_from(header["follower"], state)
        done, number, ended = _next_frame(path, header), number + 1, bool(header.get("last"))
        yield readings
        if progress is not None:
            progress(done)
    if ended:
        return
    rows = _Rows(correct)

    def close(last: bool) -> Readings:
        readings = Readings.of_frames(rows.closed())
        state, arrays = state_of(follower)
        write_part(
            part_path(folder, number),
            readings,
            {**film, "follower": state, "next_frame": done, "last": last},
            arrays,
        )
        return readings

    for frame in footage.frames(done):
        if done >= (number + 1) * frames_a_part:
            yield close(last=False)
            number, rows = number + 1, _Rows(correct)
        rows.add(frame, follower.step(frame.image, frame.time_s))
        done = frame.number + 1
        if progress is not None:
            progress(done)
    yield close(last=True)


class _Rows:
    """The faces of a part's frames; those that wait for their correction are few."""

    def __init__(self, correct: Corrector | None):
        self.correct = correct
        self.frames: list[tuple[int, float, int]] = []  # number, time, how many faces
        self.faces: list[FaceInFrame] = []
        self.waiting: list[FaceInFrame] = []
        self.looks: list = []

    def add(self, frame: Frame, faces: list[FaceInFrame]) -> None:
        self.frames.append((frame.number, frame.time_s, len(faces)))
        for face in faces:
            self.waiting.append(face)
            if self.correct is not None:
                self.looks.append(self.correct.look(frame.image, face))
            if self.correct is None or len(self.waiting) == self.correct.at_once:
                self._settle()

    def closed(self) -> list[tuple[int, float, list[FaceInFrame]]]:
        self._settle()
        faces = iter(self.faces)
        return [(number, time_s, list(islice(faces, count))) for number, time_s, count in self.frames]

    def _settle(self) -> None:
        if self.waiting:
            self.faces += self.waiting if self.correct is None else self.correct.correct(self.waiting, self.looks)
        self.waiting, self.looks = [], []


def _options(header: dict) -> object:
    follower = header.get("follower")
    return follower.get("options") if isinstance(follower, dict) else None


def _next_frame(path: Path, header: dict) -> int:
    following = header.get("next_frame")
    if not isinstance(following, int) or following < 0:
        raise FormatError(f"{path} does not say with which frame to go on; remove it, and the film is read from there")
    return following


def fingerprint(footage: Footage) -> str:
    """Of which film parts were read: its size, its times, its first and last megabyte."""
    digest = hashlib.sha256(footage.times_s.tobytes())
    digest.update(repr((footage.size, footage.count)).encode())
    if footage.path.is_file():
        with open(footage.path, "rb") as file:
            digest.update(file.read(_SAMPLED_BYTES))
            file.seek(max(0, footage.path.stat().st_size - _SAMPLED_BYTES))
            digest.update(file.read(_SAMPLED_BYTES))
    for file in getattr(footage, "files", ()):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
    return digest.hexdigest()
