"""What a camera wrote into a QuickTime or MP4 film of itself: metadata items of the movie and of its tracks.

A `meta` atom whose handler is `mdta` lists names in `keys` and values in `ilst`, whose items are called by the number
of their name, from 1 (Apple, QuickTime File Format, "Metadata atoms and types"). FFmpeg tells those of the movie only.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

FOCAL_35MM = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
_OUTER = (b"moov", b"trak", b"udta")  # may hold a `meta`
_MOST_ATOMS, _MOST_BYTES = 10_000, 1 << 20  # that are looked at, of one `meta`
_DEEPEST = 8  # levels of `_OUTER`, one within another
_UTF8 = 1  # well-known types of a value (QuickTime File Format, table 3-5)
_SIGNED, _UNSIGNED = 21, 22  # big-endian integers
_FLOATS = {23: ">f", 24: ">d"}


def focal_35mm(path: str | os.PathLike) -> float | None:
    """The focal length in mm that on 35 mm film would show as much; None where the film does not say, or says what
    cannot be. Anything else than a QuickTime file says nothing."""
    with contextlib.suppress(OSError, struct.error, ValueError), open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        for value in _values(file, 0, size, FOCAL_35MM, [_MOST_ATOMS], _DEEPEST):
            if 8 <= value <= 2000:
                return value
    return None


def _values(file: BinaryIO, start: int, end: int, name: str, left: list[int], deeper: int) -> Iterator[float]:
    """Values of a name, in the order of the file. `left` counts the atoms that may still be looked at, `deeper` the
    levels that may still be entered."""
    for kind, at, stop in _atoms(file, start, end, left):
        if kind in _OUTER and deeper:
            yield from _values(file, at, stop, name, left, deeper - 1)
        elif kind == b"meta" and stop - at <= _MOST_BYTES:
            file.seek(at)
            yield from _items(file.read(stop - at), name)


def _atoms(file: BinaryIO, at: int, end: int, left: list[int]) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of the atoms between two places."""
    while at + 8 <= end and left[0] > 0:
        left[0] -= 1
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        elif size == 0:  # to the end
            size = end - at
        if size < head or at + size > end:
            return
        yield kind, at + head, at + size
        at += size


def _items(meta: bytes, name: str) -> Iterator[float]:
    """Numbers under a name in the content of a `meta`."""
    start = 0 if meta[4:8] == b"hdlr" else 4  # in MP4 files four bytes of version and flags come first
    parts = {kind: content for kind, content in _inner(meta[start:])}
    if parts.get(b"hdlr", b"")[8:12] != b"mdta" or b"keys" not in parts:
        return
    names = [content for _, content in _inner(parts[b"keys"][8:])]
    for number, item in _inner(parts.get(b"ilst", b"")):
        which = int.from_bytes(number, "big")
        if 1 <= which <= len(names) and names[which - 1] == name.encode():
            for kind, content in _inner(item):
                value = _number(content) if kind == b"data" else None
                if value is not None:
                    yield value


def _inner(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size < 8 or at + size > len(content):
            return
        yield kind, content[at + 8 : at + size]
        at += size


def _number(data: bytes) -> float | None:
    """A `data` atom's value: four bytes of type, four of locale, then a number, or text such as "50.00mm"."""
    kind, raw = int.from_bytes(data[:4], "big"), data[8:]
    if kind == _UTF8:
        found = re.match(r"\s*(\d{1,6}(?:\.\d{1,6})?)", raw[:64].decode("utf-8", "replace"))
        return float(found[1]) if found else None
    if kind in (_SIGNED, _UNSIGNED) and len(raw) in (1, 2, 3, 4, 8):
        return float(int.from_bytes(raw, "big", signed=kind == _SIGNED))
    if kind not in _FLOATS or len(raw) != struct.calcsize(_FLOATS[kind]):
        return None
    (value,) = struct.unpack(_FLOATS[kind], raw)
    return value if math.isfinite(value) else None
