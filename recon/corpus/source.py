"""What a corpus is made of: pictures and clips, whose face they show, in which split, and what is known of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from render.footage import PICTURES

SPLITS = ("train", "validation", "test")
_TRAIN, _VALIDATION = 0.8, 0.1  # shares of the subjects where a dataset has no splits of its own


@dataclass(frozen=True)
class Source:
    """A picture, a film, or a folder with the frames of a clip."""

    dataset: str  # the layout's name
    path: Path
    name: str  # where it lies in the dataset's folder, with /
    subject: str  # whose face it shows, as the dataset numbers people
    split: str | None = None  # one of SPLITS, where the dataset says so
    labels: dict = field(default_factory=dict)  # what else the dataset says, as JSON has it
    at: tuple[float, float] | None = None  # pixels: a place on the face that is meant, where the dataset tells
    follow: bool = False  # a film that may show several people, and cuts
    key: str = ""  # the name of its samples, given by a Listing

    @property
    def is_clip(self) -> bool:
        """Whether it has frames."""
        return self.path.suffix.lower() not in PICTURES


def split_of(dataset: str, subject: str) -> str:
    """The split of a subject where the dataset has none: by a hash of its name, so that it never changes."""
    digest = hashlib.sha256(f"{dataset}\n{subject}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return SPLITS[0] if share < _TRAIN else SPLITS[1] if share < _TRAIN + _VALIDATION else SPLITS[2]


def folders_in(folder: Path) -> Iterator[Path]:
    """The folders in a folder by name, hidden ones left out; none where there is no such folder."""
    yield from (Path(entry.path) for entry in _entries(folder) if entry.is_dir())


def files_in(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Its files with one of the endings, likewise."""
    yield from (
        Path(entry.path)
        for entry in _entries(folder)
        if os.path.splitext(entry.name)[1].lower() in endings and entry.is_file()
    )


def _entries(folder: Path) -> list[os.DirEntry]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
