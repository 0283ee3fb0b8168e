"""Flickr-Faces-HQ as its download script leaves it: 70,000 pictures of people without names.

Source: github.com/NVlabs/ffhq-dataset (README). `images1024x1024/00000/00000.png` (folders of thousands), likewise
`in-the-wild-images` and `thumbnails128x128`; `ffhq-dataset-v2.json` maps "0", "1", ... to {"category": "training" or
"validation", "metadata": author and licence of the photo, "image", "in_the_wild" and "thumbnail": each with "file_path"
and, but the thumbnail, "face_landmarks", dlib's 68 in pixels}. The first 60,000 are for training.

Nobody knows who is who: each picture is a subject of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from flame_tools.errors import FormatError
from recon.corpus.source import Source, files_in, folders_in

WANTED = "images1024x1024/00000/00000.png (or in-the-wild-images, thumbnails128x128) and ffhq-dataset-v2.json"
_KINDS = {"images1024x1024": "image", "in-the-wild-images": "in_the_wild", "thumbnails128x128": "thumbnail"}
_TRAINING = 60_000
_SPLITS = {"training": "train", "validation": "validation"}
_KEPT = {"author": "author", "license": "licence", "license_url": "licence_url", "photo_url": "photo_url"}
_LARGEST_ENTRY = 1 << 20  # characters of the JSON; a real one has some 4,000
_NEXT = re.compile(r'[\s,{]*"(\d{1,9})"\s*:\s*')


def recognised(folder: Path) -> bool:
    return _kind(folder) is not None


def sources(folder: Path) -> Iterator[Source]:
    """The largest kind of pictures that is there; author and licence where the JSON is. Files that are not there stay
    in the listing, and are counted when they are read."""
    kind = _kind(folder)
    if kind is None:
        return
    table = folder / "ffhq-dataset-v2.json"
    if not table.is_file():
        for part in folders_in(folder / kind):
            for path in files_in(part, (".png", ".jpg")):
                if path.stem.isdigit():
                    split = "train" if int(path.stem) < _TRAINING else "validation"
                    yield Source("ffhq", path, path.relative_to(folder).as_posix(), path.stem, split)
        return
    for number, entry in _entries(table):
        name = f"{number // 1000 * 1000:05d}/{number:05d}.png"
        path = folder / kind / name
        if path.parent.is_dir():  # whole thousands may have been left out
            try:
                said = entry.get("metadata", {})
                labels = {ours: str(said[theirs]) for theirs, ours in _KEPT.items() if theirs in said}
                split, at = _SPLITS.get(entry.get("category")), _middle(entry, kind)
            except (TypeError, ValueError, AttributeError, IndexError):
                raise FormatError(f"{table} says of picture {number} what FFHQ's does not; download it again") from None
            yield Source("ffhq", path, f"{kind}/{name}", f"{number:05d}", split, labels, at)


def _kind(folder: Path) -> str | None:
    return next((kind for kind in _KINDS if (folder / kind).is_dir()), None)


def _middle(entry: dict, kind: str) -> tuple[float, float] | None:
    """The middle of the 68 landmarks, where there are some."""
    points = entry.get(_KINDS[kind], {}).get("face_landmarks")
    if not points:
        return None
    across, down = zip(*((float(x), float(y)) for x, y in points), strict=True)
    return sum(across) / len(points), sum(down) / len(points)


def _entries(table: Path) -> Iterator[tuple[int, dict]]:
    """Number and entry, one after the other: the file has 255 MB, a few kilobytes of which are in memory."""
    decoder, text, at = json.JSONDecoder(), "", 0
    with open(table, encoding="utf-8") as file:
        while True:
            begins = _NEXT.match(text, at)
            try:
                entry, end = decoder.raw_decode(text, begins.end()) if begins else (None, 0)
            except ValueError:
                entry, end = None, 0
            if end:
                if not isinstance(entry, dict):
                    raise FormatError(f"{table} says {entry!r} of picture {begins[1]}, wanted an object; get it again")
                yield int(begins[1]), entry
                at = end
                continue
            if len(text) - at > _LARGEST_ENTRY:
                raise FormatError(f"{table} is no JSON of FFHQ from character {file.tell()} on; download it again")
            more = file.read(1 << 16)
            if not more:
                if text[at:].strip(" \n\r\t,{}"):
                    raise FormatError(f"{table} is cut short or no JSON of FFHQ; download it again")
                return
            text, at = text[at:] + more, 0
