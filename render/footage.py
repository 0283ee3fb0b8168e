"""Moving pictures in: a video file, a GIF or a folder of pictures as frames with their times, one after the other.

    footage = open_footage("talk.mp4")
    for frame in footage.frames(): ...        # frame.number, frame.time_s, frame.image uint8 [H, W, 3] sRGB, upright
    sound = footage.sound()                   # a second pass over the file

Times count from the first frame. Where the rate is constant a frame's time is its number over the rate: what a
container rounds to milliseconds is taken out. Elsewhere it is the time that the file gives.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from flame_tools.errors import FormatError, InputError
from render.footage_file import FilmFile
from render.footage_frame import MAX_FRAMES, Frame, Sound
from render.image import read_image

FOLDER_FPS = Fraction(25)  # of pictures that do not say
NEAR = 250  # frames, an encoder's usual stretch between key frames: so far on, drawing is cheaper than seeking
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
FILMS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv", ".asf", ".mxf", ".apng",
)  # fmt: skip


class Footage(Protocol):
    """Something that frames can be drawn from, as often as one likes."""

    path: Path
    size: tuple[int, int]  # width, height in pixels, upright
    fps: Fraction | None  # None where the rate is not constant
    count: int  # frames that the file lists
    times_s: np.ndarray  # [count] float64, strictly increasing, 0 first
    duration_s: float  # from the first frame to the end of the last

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Frames from number `start` on: the same pixels as if all had been drawn."""
        ...

    def sound(self) -> Sound | None:
        """The sound, mixed to one channel; None where there is none."""
        ...


def frames_at(footage: Footage, numbers: Iterable[int]) -> Iterator[Frame]:
    """The frames of ascending numbers: one run through those that lie near each other, not a seek for each.

    Raises InputError where a number does not exceed the one before, FormatError where its frame cannot be decoded.
    """
    run, at = iter(()), -NEAR - 1
    for number in numbers:
        if number <= at:
            raise InputError(f"frame {number} was asked for after frame {at}; wanted numbers that ascend")
        if number - at > NEAR:
            run = footage.frames(number)
        frame = next((frame for frame in run if frame.number >= number), None)
        if frame is None or frame.number != number:
            raise FormatError(f"{footage.path}: frame {number} of {footage.count} cannot be decoded; export it again")
        at = number
        yield frame


def is_film(path: str | os.PathLike) -> bool:
    """Whether a name is that of a folder, a video file or a GIF that moves, as far as its ending and start tell."""
    path = Path(path)
    if path.is_dir():
        return True
    if path.suffix.lower() == ".gif" and path.is_file():
        return open_footage(path).count > 1
    return path.suffix.lower() in FILMS


def open_footage(path: str | os.PathLike, *, fps: Fraction | int | float | None = None) -> Footage:
    """Open a video file, a GIF or a folder of numbered pictures. `fps` is a folder's rate (25 if not given).

    Raises InputError where there is nothing or too much of it, FormatError where it is no film or a damaged one. A
    file that breaks off is found out while its frames are drawn.
    """
    path = Path(path)
    if path.is_dir():
        from render.video import frame_rate_of

        return PictureFolder(path, FOLDER_FPS if fps is None else frame_rate_of(fps))
    if not path.is_file():
        raise InputError(f"{path} does not exist; wanted a video file, a GIF or a folder of pictures")
    if fps is not None:
        raise InputError(f"{path} is a file, which says its own rate; fps is for folders of pictures")
    return FilmFile(path)


def number_order(path: Path) -> tuple:
    """`frame9` before `frame10`: numbers in a name by value, the rest by letters."""
    parts = re.split(r"(\d+)", path.stem)
    return tuple((int(part), "") if i % 2 else (0, part.lower()) for i, part in enumerate(parts)), path.name


class PictureFolder:
    """Pictures of a folder, in the order of the numbers in their names, at a constant rate."""

    def __init__(self, path: Path, fps: Fraction):
        self.path, self.fps = path, fps
        self.files = sorted(
            (f for f in path.iterdir() if f.suffix.lower() in PICTURES and not f.name.startswith(".")),
            key=number_order,
        )
        self.count = len(self.files)
        if not self.files:
            raise InputError(f"{path} holds no pictures; wanted files named {', '.join('*' + s for s in PICTURES)}")
        if self.count > MAX_FRAMES:
            raise InputError(f"{path} holds {self.count} pictures, more than {MAX_FRAMES}; split it")
        height, width = read_image(self.files[0]).shape[:2]
        self.size = (width, height)
        self.times_s = np.arange(self.count) * fps.denominator / fps.numerator
        self.duration_s = float(self.count / fps)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        for number, file in enumerate(self.files[start:], start):
            image = read_image(file)
            if image.shape[1::-1] != self.size:
                width, height = image.shape[1::-1]
                raise InputError(
                    f"{file} is {width} x {height}, but {self.files[0].name} is {self.size[0]} x {self.size[1]}; "
                    "the pictures of a film must be of one size"
                )
            yield Frame(number, float(self.times_s[number]), image)

    def sound(self) -> None:
        return None
