"""Emotions over time as a file to edit: a CSV with a column time_s and a column an emotion.

    time_s,happy,surprise
    0.0,0.0,0.0
    1.5,0.7,0.2

Any of the eight may be left out, and stays at 0. Between rows intensities go in straight lines; beyond the first and
the last they hold.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animate.emotion import EMOTIONS, checked, emotion_named
from flame_tools.archive import written_whole
from flame_tools.errors import FormatError, InputError
from flame_tools.file_clock import file_times
from flame_tools.types import Track

TIME = "time_s"


@dataclass(frozen=True)
class EmotionTrack:
    """Intensities at moments. Raises InputError where they are not as said here."""

    time_s: np.ndarray  # [n] seconds, increasing
    values: np.ndarray  # [n, 8] in [0, 1] in the order of EMOTIONS

    def __post_init__(self):
        times, values = np.asarray(self.time_s), np.asarray(self.values)
        if times.ndim != 1 or not len(times) or values.shape != (len(times), len(EMOTIONS)):
            raise InputError(
                f"an emotion track has times {list(times.shape)} and values {list(values.shape)}, wanted [n] and "
                f"[n, {len(EMOTIONS)}], a moment or more"
            )
        if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise InputError("an emotion track's times must be finite and grow from moment to moment; sort them")
        checked(values)

    def at(self, times: np.ndarray) -> np.ndarray:
        """Intensities [T, 8] at times [T] in seconds."""
        return np.stack([np.interp(times, self.time_s, column) for column in self.values.T], -1)


def read_emotion_csv(path: str | os.PathLike) -> EmotionTrack:
    """Read a file. Raises FormatError where it is no such table, InputError where an intensity is not in [0, 1]."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}; an emotion track is a CSV with the columns time_s and emotions")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows, lines = [], []
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(row)
                    lines.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} is no CSV text ({error}); save it as UTF-8 with commas") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if TIME not in header:
        raise FormatError(
            f"{path} has no column {TIME} but {', '.join(header[:6]) or 'nothing'}; its first line should be like "
            f"{TIME},happy,sad"
        )
    columns = [None if name == TIME else EMOTIONS.index(emotion_named(name)) for name in header]
    if len(set(columns)) < len(columns):
        raise FormatError(f"{path} names a column twice: {', '.join(header)}; name each once")
    if len(rows) < 2:
        raise FormatError(f"{path} has a header and no rows; write at least one, such as 0.0 and the intensities")
    table = np.array([_numbers(path, line, row, len(header)) for line, row in zip(lines[1:], rows[1:], strict=True)])
    times = table[:, header.index(TIME)]
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        row = int(np.argmax(np.append(False, np.diff(times) <= 0) | ~np.isfinite(times)))
        raise FormatError(f"{path}: time_s in row {lines[row + 1]} is {times[row]:g}; times must grow from row to row")
    values = np.zeros((len(table), len(EMOTIONS)))
    for i, column in enumerate(columns):
        if column is not None:
            values[:, column] = table[:, i]
    return EmotionTrack(times, values)


def write_emotion_csv(track: Track, path: str | os.PathLike) -> None:
    """Write a track's emotion, a row a frame with three decimals, in step with its WAV.

    Raises InputError where it has none.
    """
    curves = track.curves.get("emotion")
    if curves is None or tuple(curves.names) != EMOTIONS:
        raise InputError("the track holds no emotion curves to write; emberface animate makes tracks that do")
    with written_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        file.write(",".join((TIME, *EMOTIONS)) + "\n")
        for time, row in zip(file_times(track), np.clip(curves.values, 0.0, 1.0), strict=True):
            file.write(f"{time:.6f},{','.join(f'{x:.3f}' for x in row)}\n")


def _numbers(path: Path, line: int, row: list[str], width: int) -> list[float]:
    if len(row) != width:
        raise FormatError(f"{path} has {len(row)} cells in row {line}, and {width} columns; fill or remove the row")
    try:
        return [float(cell) for cell in row]
    except ValueError:
        bad = next(cell for cell in row if not _is_number(cell))
        raise FormatError(f"{path} holds {bad!r} in row {line}, wanted a number") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
