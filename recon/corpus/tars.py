"""Tars as WebDataset reads them: a sample's files lie together, KEY.jpg, KEY.json, ...; same content, same bytes.

Written by the standard library in the USTAR format (POSIX.1-1988). Read block by block, never unpacked to disk: plain
files alone, whose names are a key and endings, of bounded sizes; links, devices, long and extended names are refused.
WebDataset skips a member `__NAME__` (webdataset/tariterators.py); ours holds what a shard is made of.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from flame_tools.errors import FormatError

STATE = "__shard__"
MOST_BYTES = 16 << 20  # of a member
_BLOCK = tarfile.BLOCKSIZE
_NAME = re.compile(r"([A-Za-z0-9_-]{1,90})\.([a-z0-9]{1,16}(?:\.[a-z0-9]{1,16})?)")


class TarWriter:
    """Writes samples, then the state, to a file."""

    def __init__(self, path: Path):
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 (closed by close)

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        for ending in sorted(members):
            self._add(f"{key}.{ending}", members[ending])

    def close(self, state: bytes) -> None:
        self._add(STATE, state)
        self._tar.close()

    def _add(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)  # by itself: owned by nobody, from 1970
        info.size, info.mode = len(content), 0o644
        self._tar.addfile(info, io.BytesIO(content))


def read_tar(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Keys and members by ending, one sample in memory at a time; the state last, as STATE and {"": bytes}.

    Raises FormatError for anything that a TarWriter does not write, further plain files of a sample apart.
    """
    with open(path, "rb") as file:
        key, members = None, {}
        for name, content in _files(path, file):
            found = _NAME.fullmatch(name)
            own = STATE if name == STATE else found[1] if found else None
            if own is None:
                raise FormatError(f"{path} names a member {name[:80]!r}, wanted KEY.ending; it is no shard of a corpus")
            if own != key:
                if members:
                    yield key, members
                key, members = own, {}
            ending = found[2] if found else ""
            if ending in members:
                raise FormatError(f"{path} has {name} twice; build it again")
            members[ending] = content
        if members:
            yield key, members


def read_state(path: Path) -> bytes | None:
    """What a shard says of itself; None where it does not. Contents of samples are passed over."""
    with open(path, "rb") as file:
        return next((content for name, content in _files(path, file, only=STATE) if name == STATE), None)


def _files(path: Path, file: BinaryIO, only: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Names and contents; with `only` that member's contents, the others' empty."""
    while True:
        block = file.read(_BLOCK)
        if block == bytes(_BLOCK):
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            reason = "cut short" if len(block) < _BLOCK else f"no tar, or a damaged one ({error})"
            raise FormatError(f"{path} is {reason} at byte {file.tell()}; build it again") from None
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise FormatError(f"{path} holds a member {info.name[:80]!r} that is no plain file; it is not ours")
        if not 0 <= info.size <= MOST_BYTES:
            raise FormatError(f"{path}: {info.name[:80]} has {info.size} bytes, more than {MOST_BYTES}; it is not ours")
        padded = -(-info.size // _BLOCK) * _BLOCK
        if only is not None and info.name != only:
            file.seek(padded, io.SEEK_CUR)
            yield info.name, b""
            continue
        content = file.read(padded)
        if len(content) < padded:
            raise FormatError(f"{path} is cut short in {info.name[:80]}; build it again")
        yield info.name, content[: info.size]
