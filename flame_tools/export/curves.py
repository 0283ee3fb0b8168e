"""Curve tables for Unreal: the 52 ARKit weights and the angles of head and eyes, by time.

Both forms are what the engine's UCurveTable imports (CreateTableFromCSVString, CreateTableFromJSONString): one row a
curve, one column or key a moment. Names, clipping and angles (radians) are those of the Live Link Face CSV, so that a
MetaHuman's own ARKit mapping knows them; times are seconds of the frames.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from flame_tools.archive import written_whole
from flame_tools.export.livelink import ANGLES, COLUMNS, app_rows
from flame_tools.export.options import DEFAULT, Options
from flame_tools.export.rig import possible_targets
from flame_tools.file_clock import file_times
from flame_tools.head import Head
from flame_tools.types import Track


def write_curve_csv(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write a CSV whose first line holds the times, and each of 61 further lines a curve's name and its values.

    Of the options: shapes, names. Import it as a CurveTable with linear interpolation. The format has no place for
    licences.
    """
    with written_whole(path) as temporary, open(temporary, "w", newline="") as file:
        file.write(",".join(["---", *_seconds(track)]) + "\r\n")
        for name, values in _curves(track, head, options):
            file.write(",".join([_quoted(name), *values]) + "\r\n")


def write_curve_json(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write a JSON list of 61 objects: "Name", and each time as a key to its value.

    Of the options: shapes, names. Import it as a CurveTable. The format has no place for licences.
    """
    seconds = _seconds(track)
    with written_whole(path) as temporary, open(temporary, "w", newline="\n") as file:
        file.write("[")
        for i, (name, values) in enumerate(_curves(track, head, options)):
            pairs = "".join(f', "{time}": {value}' for time, value in zip(seconds, values, strict=True))
            file.write(f'{"," if i else ""}\n{{"Name": {json.dumps(name, ensure_ascii=False)}{pairs}}}')
        file.write("\n]\n")


def _seconds(track: Track) -> list[str]:
    return [f"{t:.6f}" for t in file_times(track)]


def _curves(track: Track, head: Head, options: Options) -> Iterator[tuple[str, list[str]]]:
    """Each curve's name in the file and its values: the shapes that are asked for, then all angles."""
    shapes = [name[0].lower() + name[1:] for name in COLUMNS]  # by Apple's names, which are ours
    possible = possible_targets(head.arrays)
    wanted = set(options.kept(shapes, possible))
    names = options.called(dict(zip((*shapes, *ANGLES), (*COLUMNS, *ANGLES), strict=True)), possible)
    for (ours, name), values in zip(names.items(), app_rows(track, head).T, strict=True):
        if ours in wanted or ours in ANGLES:
            yield name, [f"{value:.6f}" for value in values]


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"' if any(sign in name for sign in ',"') else name
