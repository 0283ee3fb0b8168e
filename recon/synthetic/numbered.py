"""What is drawn once and learnt from often, on disk: numbered files, each seeded by its number."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import FormatError, InputError

Rows = TypeVar("Rows")  # a dataclass of arrays with as many rows each; `joined` makes one of several


def parser_of(description: str) -> argparse.ArgumentParser:
    """What every maker of such files is told: FOLDER COUNT [FIRST]."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=_natural)
    parser.add_argument("first", type=_natural, nargs="?", default=0, help="number of the first file")
    return parser


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of files; wanted 0, 1, ...")
    return int(text)


def share(text: str) -> float:
    """For `type` of an argument: a number in [0, 1]."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; wanted a number from 0 to 1")
    return found


def write_numbered(
    folder: str | os.PathLike, name: str, made: Callable[[int], object], count: int, *, first: int = 0
) -> None:
    """Files NAME-00000.npz, ... of what `made` gives for a number, from `first` on; those that are there stay."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        path = Path(folder) / f"{name}-{number:05d}.npz"
        if not path.exists():
            rows = made(number)
            with written_whole(path) as temporary:
                np.savez(temporary, **{f.name: getattr(rows, f.name) for f in fields(rows)})


def read_numbered(
    folder: str | os.PathLike, name: str, kind: type[Rows], maker: str, *, first: int = 0, count: int | None = None
) -> Rows:
    """The rows of a folder's files from the `first` on.

    Raises InputError where there are none, naming the `maker`, and FormatError for a file that is cut short or another.
    """
    paths = sorted(Path(folder).glob(f"{name}-*.npz"))[first:][:count]
    if not paths:
        raise InputError(f"{folder} has no {name}-*.npz; make some: python -m {maker} {folder} 12")
    parts = []
    for path in paths:
        try:
            with np.load(path, allow_pickle=False) as file:
                parts.append(kind(**{f.name: file[f.name] for f in fields(kind)}))
        except (BadZipFile, ValueError, KeyError, EOFError, TypeError) as error:
            raise FormatError(f"{path} is not whole, or not of {maker}: remove it and make it again") from error
    return kind.joined(parts)
