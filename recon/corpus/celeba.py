"""CelebA as published: 202,599 pictures of 10,177 people, with attributes and five landmarks.

Source: mmlab.ie.cuhk.edu.hk/projects/CelebA.html; columns as torchvision's loader reads them. Pictures `000001.jpg` and
on in `img_align_celeba` (178 x 218, aligned) or `img_celeba` (in the wild), alone or in `Img`. Tables alone or in
`Anno` and `Eval`, columns parted by spaces: identity_CelebA.txt (picture, number of the person),
list_eval_partition.txt (0 training, 1 validation, 2 test); and behind a line with their count and one with names
list_attr_celeba.txt (40 of 1 or -1) and list_landmarks_align_celeba.txt or list_landmarks_celeba.txt (eyes, nose,
corners of the mouth, from left to right in the picture).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flame_tools.errors import FormatError
from recon.corpus.source import SPLITS, Source, files_in

WANTED = "img_align_celeba or img_celeba (also in Img), Anno/identity_CelebA.txt, Eval/list_eval_partition.txt"
_PICTURES = {"img_align_celeba": "list_landmarks_align_celeba.txt", "img_celeba": "list_landmarks_celeba.txt"}
_POINTS = 5


def recognised(folder: Path) -> bool:
    return _pictures(folder) is not None


def sources(folder: Path) -> Iterator[Source]:
    """Pictures of the folder; tables that are missing are done without."""
    place = _pictures(folder)
    if place is None:
        return
    people, splits = _table(folder, "identity_CelebA.txt")[1], _table(folder, "list_eval_partition.txt")[1]
    names, attributes = _table(folder, "list_attr_celeba.txt", named=True)
    _, landmarks = _table(folder, _PICTURES[place.name], named=True)
    for path in files_in(place, (".jpg", ".png")):
        own = f"{path.stem}.jpg"  # tables say .jpg of the PNGs, too
        labels, at = {}, None
        if own in attributes:
            on = attributes[own].split()
            labels["attributes"] = [name for name, value in zip(names, on, strict=False) if value == "1"]
        if own in landmarks:
            points = _points(own, landmarks[own])
            labels["landmarks_5"] = points
            at = (sum(x for x, _ in points) / _POINTS, sum(y for _, y in points) / _POINTS)
        person, said = people.get(own), splits.get(own, "").strip()
        if said not in ("", "0", "1", "2"):
            raise FormatError(f"list_eval_partition.txt says {said!r} of {own}, wanted 0, 1 or 2; get it again")
        split = SPLITS[int(said)] if said else None
        name = path.relative_to(folder).as_posix()
        yield Source("celeba", path, name, person.strip() if person else f"picture {path.stem}", split, labels, at)


def _pictures(folder: Path) -> Path | None:
    places = [folder / name for name in _PICTURES] + [folder / "Img" / name for name in _PICTURES]
    return next((place for place in places if place.is_dir()), None)


def _table(folder: Path, name: str, *, named: bool = False) -> tuple[list[str], dict[str, str]]:
    """Names of the columns, and each picture's row as it stands; nothing where there is no such table."""
    path = next((p for p in (folder / name, folder / "Anno" / name, folder / "Eval" / name) if p.is_file()), None)
    if path is None:
        return [], {}
    try:
        with open(path, encoding="utf-8") as file:
            columns = [file.readline(), file.readline()][1].split() if named else []
            rows = [line.strip().partition(" ") for line in file]
    except UnicodeDecodeError:
        raise FormatError(f"{path} is no text; get it again") from None
    return columns, {picture: rest for picture, _, rest in rows if picture}


def _points(picture: str, row: str) -> list[list[float]]:
    try:
        values = [float(value) for value in row.split()]
    except ValueError:
        values = []
    if len(values) != 2 * _POINTS:
        raise FormatError(f"CelebA's landmarks of {picture} are {row.strip()!r}, wanted ten numbers; get them again")
    return [values[i : i + 2] for i in range(0, 2 * _POINTS, 2)]
