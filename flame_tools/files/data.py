"""Files of arrays that other programs wrote, read as data: .pkl, .npy, .npz, and what torch.save makes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from flame_tools.archive import member_names, opened_zip, read_member
from flame_tools.errors import FormatError
from flame_tools.files.npy import read_npy
from flame_tools.files.pickles import MAX_BYTES, parse_pickle, read_pickle


def read_data(path: str | os.PathLike, *, only: tuple[str, ...] | None = None) -> object:
    """What a file holds: numpy arrays, numbers, text, and dicts, lists and tuples of them.

    The file's first bytes say what it is, not its name. Pickles inside (object arrays, torch's tensors) are parsed and
    never executed. `only` names the arrays of an npz, or of a pickled dict, to read. Raises FormatError for anything
    else, anything broken, and anything that would take more than a GiB.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    with open(path, "rb") as stream:
        start = stream.read(6)
        if start == b"\x93NUMPY":
            stream.seek(0)
            try:
                return _unwrapped(read_npy(stream, path.stat().st_size, objects=_parsed))
            except (ValueError, EOFError, OSError, MemoryError) as error:
                raise FormatError(f"{path} holds {error}") from None
    if start[:4] == b"PK\x03\x04":
        return _read_zip(path, only)
    if path.suffix.lower() in (".npz", ".npy") and not is_pickle(start):
        raise FormatError(f"{path} does not begin as numpy's files do; it is empty, damaged or of another kind")
    return read_pickle(path, only=only)


def is_pickle(start: bytes) -> bool:
    """Whether a file may be a pickle by its first bytes: of a protocol since 2, or of a dict, tuple or list before."""
    return start[:1] in (b"\x80", b"(", b"}", b"]", b"c")


def _read_zip(path: Path, only: tuple[str, ...] | None) -> object:
    pickled = [name for name in member_names(path) if name.endswith("/data.pkl") and name.count("/") == 1]
    only = None if pickled else only
    with opened_zip(path, "file of arrays", MAX_BYTES, only) as archive:
        names = archive.namelist()
        if pickled:
            folder = pickled[0].removesuffix("data.pkl")
            if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
                raise FormatError(f"{path} was saved on a big-endian machine, which is not read")
            return parse_pickle(archive.read(pickled[0]), str(path), _Storages(archive, f"{folder}data/"))
        return {
            name: _unwrapped(read_member(archive, info, path, objects=_parsed))
            for info in archive.infolist()
            for name in (info.filename.removesuffix(".npy"),)
            if info.filename.endswith(".npy") and (only is None or name in only)
        }


def _parsed(data: bytes) -> object:
    return parse_pickle(data, "an object")


class _Storages(Mapping):
    """The numbers of a torch file's tensors by their key, read when they are asked for."""

    def __init__(self, archive, folder: str):
        self._archive, self._folder = archive, folder

    def __getitem__(self, key: str) -> bytes:
        return self._archive.read(self._folder + key)

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._folder) for name in self._archive.namelist() if name.startswith(self._folder))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _unwrapped(value: object) -> object:
    """numpy.save wraps what is no array into an array of one object."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
