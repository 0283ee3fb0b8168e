"""A table of pictures: where each one's prediction and truth lie, and what kind of picture it is.

A CSV with a header line, or a JSON list of objects (or {"pictures": [...]}), one row a picture. `prediction` and
`truth` are files (relative names count from the table's folder); an empty prediction is a picture from which nothing
was made, and is counted as missing. OWN says which other columns are ours; every one besides is an attribute.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flame_tools.errors import FormatError, InputError

OWN = {
    "prediction": "the reconstruction: a NAME.face.npz, or a mesh",
    "truth": "the scan, or the true performance",
    "landmarks": "of the scan: .pp, .txt or .npy",
    "prediction_landmarks": "of a mesh",
    "unit": "of the scan",
    "prediction_unit": "of a mesh",
    "frame": "of the prediction, 0 the first",
    "neutral": "the true face at rest, where the truth is vertices",
    "subject": "whose picture it is: intervals are then over people",
}
FILES = ("prediction", "truth", "landmarks", "prediction_landmarks", "neutral")
BINS: Mapping[str, tuple[float, ...]] = {  # edges of what is a number
    "age": (18.0, 30.0, 45.0, 60.0),
    "yaw": (15.0, 30.0, 45.0, 60.0),  # degrees, either way
    "occlusion": (0.1, 0.25, 0.5),  # share of the face
}
UNKNOWN = "unknown"
MAX_BYTES, MAX_ROWS, MAX_GROUPS = 64 << 20, 200_000, 40


@dataclass(frozen=True)
class Picture:
    """One row."""

    row: int  # the first is 1
    prediction: Path | None
    truth: Path
    landmarks: Path | None
    prediction_landmarks: Path | None
    unit: str | None
    prediction_unit: str | None
    frame: int
    neutral: Path | None
    subject: str | None
    attributes: dict[str, str]  # "" where nothing is said


def read_manifest(path: str | os.PathLike) -> list[Picture]:
    """The pictures of a .csv or .json. Raises FormatError for what is none, InputError where a file is missing."""
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".json"):
        raise InputError(f"{path} is no table that can be read; wanted a .csv or .json")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if not 0 < path.stat().st_size <= MAX_BYTES:
        raise FormatError(f"{path} has {path.stat().st_size:,} bytes; wanted a table of 1 to {MAX_BYTES:,}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError(f"{path} is no UTF-8 text; save it again as UTF-8") from None
    rows = _csv(text, path) if path.suffix.lower() == ".csv" else _json(text, path)
    if not rows:
        raise FormatError(f"{path} has no rows; wanted one for each picture")
    if len(rows) > MAX_ROWS:
        raise FormatError(f"{path} has {len(rows):,} rows, at most {MAX_ROWS:,} are read")
    return [_picture(number, row, path) for number, row in enumerate(rows, 1)]


def groups_of(
    pictures: list[Picture], attribute: str, bins: Mapping[str, tuple[float, ...]] = BINS
) -> dict[str, list[int]]:
    """Rows of each group of an attribute, numbers cut at its edges in `bins`; in order of size or of name."""
    if attribute == "subject":
        values = [picture.subject or "" for picture in pictures]
    else:
        check_attribute(pictures, attribute)
        values = [picture.attributes.get(attribute, "") for picture in pictures]
    numbers = [_number(value) for value in values if value]
    edges = bins.get(attribute) if all(n is not None for n in numbers) else None
    labels = [UNKNOWN if not value else _bin(abs(float(value)), edges) if edges else value for value in values]
    found: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    if len(found) > MAX_GROUPS:
        raise InputError(
            f"attribute {attribute!r} has {len(found)} values, a table at most {MAX_GROUPS}; cut it into groups "
            f"(--bins {attribute}:10,20,30)"
        )
    order = [_bin(low, edges) for low in (0.0, *edges)] if edges else sorted(set(found) - {UNKNOWN}, key=_in_order)
    return {label: found[label] for label in (*order, UNKNOWN) if label in found}


def check_attribute(pictures: list[Picture], attribute: str) -> None:
    """Raise InputError where no picture has an attribute of that name."""
    known = sorted({name for picture in pictures for name in picture.attributes})
    if attribute not in known:
        raise InputError(f"the table has no attribute {attribute!r}; it has {', '.join(known) or 'none'}")


def read_bins(text: str, pictures: list[Picture]) -> dict[str, tuple[float, ...]]:
    """Edges of the pictures' attributes from such as "age:18,40,60;yaw:30,60", joined to BINS."""
    bins = dict(BINS)
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, values = part.partition(":")
        edges = [_number(value) for value in values.split(",")]
        if not name or any(edge is None or edge <= 0 for edge in edges) or sorted(set(edges)) != edges:
            raise InputError(f"bins {part!r} cannot be read; wanted growing numbers above 0, as age:18,40,60")
        check_attribute(pictures, name.strip())
        bins[name.strip()] = tuple(edges)
    return bins


def _bin(value: float, edges: tuple[float, ...]) -> str:
    below = [edge for edge in edges if edge <= value]
    if len(below) == len(edges):
        return f"{edges[-1]:g} and more"
    return f"{below[-1] if below else 0:g} to {edges[len(below)]:g}"


def _in_order(label: str) -> tuple:
    number = _number(label)
    return (0, number, label) if number is not None else (1, 0.0, label)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _csv(text: str, path: Path) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
    except csv.Error as error:
        raise FormatError(f"{path} is no CSV that can be read ({error})") from None
    names = reader.fieldnames or []
    if len(set(names)) != len(names):
        raise FormatError(f"{path} has a column twice; wanted each name once")
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise FormatError(f"{path}: row {number} has not as many cells as the header's {len(names)}")
    return rows


def _json(text: str, path: Path) -> list[dict[str, str]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON that can be read ({str(error)[:100]})") from None
    content = content.get("pictures") if isinstance(content, dict) else content
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise FormatError(f"{path} holds no list of objects; wanted one for each picture")
    rows = []
    for number, row in enumerate(content, 1):
        if any(isinstance(value, (list, dict)) for value in row.values()):
            raise FormatError(f"{path}: row {number} holds a list or an object; wanted text and numbers")
        rows.append({name: "" if value is None else str(value) for name, value in row.items()})
    return rows


def _picture(number: int, row: Mapping[str, str], path: Path) -> Picture:
    cells = {name.strip(): value.strip() for name, value in row.items()}
    where = f"{path}: row {number}"
    for name in ("prediction", "truth"):
        if name not in cells:
            raise FormatError(f"{where} has no {name!r}; the columns are {', '.join(OWN)}, and attributes")
    if not cells["truth"]:
        raise FormatError(f"{where} has an empty truth")
    files = {name: path.parent / cells[name] if cells.get(name) else None for name in FILES}
    for name, file in files.items():
        if file is not None and not file.exists():
            raise InputError(f"{where}: there is no {name} {file}")
    frame = cells.get("frame") or "0"
    if not (frame.isascii() and frame.isdigit() and len(frame) < 10):
        raise FormatError(f"{where}: frame is {frame[:40]!r}, wanted a number from 0 on")
    text = {name: cells.get(name) or None for name in ("unit", "prediction_unit", "subject")}
    attributes = {name: value for name, value in cells.items() if name not in OWN}
    return Picture(row=number, frame=int(frame), attributes=attributes, **files, **text)
