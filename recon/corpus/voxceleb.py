"""VoxCeleb 1 and 2 as published: celebrities in interviews.

Source: robots.ox.ac.uk/~vgg/data/voxceleb. VoxCeleb2 is `dev/mp4/id00012/VIDEO/00001.mp4` and `test/mp4/...`, face
tracks; vox2_meta.csv has the columns "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set". VoxCeleb1's faces are pictures:
`unzippedFaces/NAME/1.6/VIDEO/*.jpg`, one a second, and `unzippedIntervalFaces/data/NAME/1.6/VIDEO/UTTERANCE/*.jpg`;
vox1_meta.csv has the columns "VoxCeleb1 ID, VGGFace1 ID, Gender, Nationality, Set" parted by tabs, the second of which
are the folders' names. dev is for training. Without the table people of VoxCeleb1 are shared out by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from recon.corpus.source import Source, files_in, folders_in

WANTED = "dev/mp4/id00012/VIDEO/00001.mp4, unzippedFaces/NAME/1.6/VIDEO/*.jpg or unzippedIntervalFaces/data/..."
_SPLITS = {"dev": "train", "test": "test"}
_PERSON = re.compile(r"id\d{5}")


def recognised(folder: Path) -> bool:
    return next(sources(folder), None) is not None


def sources(folder: Path) -> Iterator[Source]:
    """Clips; of VoxCeleb1 the folders that hold their frames."""
    people = _people(folder)
    for part, split in _SPLITS.items():
        for person in folders_in(folder / part / "mp4"):
            if _PERSON.fullmatch(person.name):
                labels, _ = people.get(person.name, ({}, None))
                for video in folders_in(person):
                    for path in files_in(video, (".mp4",)):
                        yield _source(folder, path, person.name, split, labels | {"video": video.name})
    for place in (folder / "unzippedFaces", folder / "unzippedIntervalFaces" / "data"):
        for person in folders_in(place):
            labels, split = people.get(person.name, ({}, None))
            for video in folders_in(person / "1.6"):
                for path in [video] if place.name == "unzippedFaces" else folders_in(video):
                    yield _source(folder, path, person.name, split, labels | {"video": video.name})


def _source(folder: Path, path: Path, person: str, split: str | None, labels: dict) -> Source:
    return Source("voxceleb", path, path.relative_to(folder).as_posix(), person, split, labels)


def _people(folder: Path) -> dict[str, tuple[dict, str | None]]:
    """Labels and split by a person's folder, from the tables that are there."""
    found: dict[str, tuple[dict, str | None]] = {}
    for name, parted, own in (("vox1_meta.csv", "\t", 1), ("vox2_meta.csv", ",", 0)):
        if not (folder / name).is_file():
            continue
        with open(folder / name, encoding="utf-8-sig", errors="replace") as file:
            columns = [column.strip() for column in file.readline().split(parted)]
            for line in file:
                row = dict(zip(columns, (value.strip() for value in line.split(parted)), strict=False))
                labels = {
                    ours: row[ours.capitalize()] for ours in ("gender", "nationality") if ours.capitalize() in row
                }
                if len(columns) > own and row.get(columns[own]):
                    found[row[columns[own]]] = (labels, _SPLITS.get(row.get("Set", "")))
    return found
