"""Binary FBX 7.1 to 7.7 as a tree of nodes, both ways.

A file is a header and records: name, properties, records below. From 7.5 on offsets are 64 bits wide. Arrays may be
deflated. Layout after the Blender Foundation's description (https://code.blender.org/2013/08/fbx-binary-file-format-
specification/). Nothing is trusted: lengths are checked before they are used, and what deflates is bounded.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from flame_tools.characters.scene import Budget
from flame_tools.errors import FormatError

MAGIC = b"Kaydara FBX Binary  \x00\x1a\x00"
VERSIONS = (7100, 7799)
WIDE = 7500  # from this version on offsets have 64 bits
MAX_NODES = 2_000_000
MAX_DEPTH = 64
_SCALARS = {b"Y": "<h", b"C": "<?", b"B": "<?", b"I": "<i", b"F": "<f", b"D": "<d", b"L": "<q"}
_ARRAYS = {b"f": "<f4", b"d": "<f8", b"i": "<i4", b"l": "<i8", b"b": "u1", b"c": "u1"}
_CODES = {"f4": b"f", "f8": b"d", "i4": b"i", "i8": b"l", "u1": b"b"}
_FOOTER = bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")
_END = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")
DEFLATE_FROM = 128  # bytes; shorter arrays are written as they are


@dataclass(frozen=True, eq=False)
class Node:
    """One record. Properties are int, float, bool, str, bytes or arrays; a numpy.int64 is written with 64 bits."""

    name: str
    properties: list = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def all(self, name: str) -> list[Node]:
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Node | None:
        return next((child for child in self.children if child.name == name), None)

    def value(self, name: str, kind: type, default=None):
        """The first property of the child `name` where it is of a kind, else `default`."""
        child = self.first(name)
        found = child.properties[0] if child is not None and child.properties else None
        return found if isinstance(found, kind) else default

    def array(self, name: str) -> np.ndarray:
        """The numbers of the child `name`; empty where there is none."""
        found = self.value(name, np.ndarray)
        return np.zeros(0) if found is None else found


def read_nodes(data: bytes, source: str) -> Node:
    """The tree of a binary FBX file: a nameless root whose property is the version."""
    if data[: len(MAGIC)] != MAGIC:
        if b"FBXHeaderExtension" in data[:4096]:
            raise FormatError(f"{source} is FBX as text; export it as binary FBX (7.4 or 7.5)")
        raise FormatError(f"{source} is no binary FBX file")
    if len(data) < len(MAGIC) + 4:
        raise FormatError(f"{source} is cut short")
    (version,) = struct.unpack_from("<I", data, len(MAGIC))
    if not VERSIONS[0] <= version <= VERSIONS[1]:
        raise FormatError(f"{source} is FBX {version / 1000:g}, wanted 7.1 to 7.7; export it as FBX 2014 or newer")
    reader = _Reader(data, source, version)
    return Node("", [version], reader.siblings(len(MAGIC) + 4, len(data), 0)[0])


class _Reader:
    def __init__(self, data: bytes, source: str, version: int):
        self.data, self.source = memoryview(data), source
        self.head = struct.Struct("<QQQB" if version >= WIDE else "<IIIB")
        self.budget = Budget(source)
        self.nodes = 0

    def broken(self, at: int) -> FormatError:
        return FormatError(f"{self.source} is broken or cut short at byte {at}")

    def siblings(self, at: int, end: int, depth: int) -> tuple[list[Node], int]:
        """Records from `at` to an empty one or `end`, and where they stop."""
        if depth > MAX_DEPTH:
            raise FormatError(f"{self.source} has records over {MAX_DEPTH} deep")
        found = []
        while at < end:
            if at + self.head.size > end:
                raise self.broken(at)
            stop, count, length, name_length = self.head.unpack_from(self.data, at)
            begin = at + self.head.size
            if stop == 0:
                return found, begin
            properties = begin + name_length
            below = properties + length
            if not begin <= properties <= below <= stop <= end:
                raise self.broken(at)
            self.nodes += 1
            if self.nodes > MAX_NODES:
                raise FormatError(f"{self.source} has over {MAX_NODES:,} records")
            name = bytes(self.data[begin:properties]).decode("utf-8", "replace")
            values = self.properties(properties, below, count)
            found.append(Node(name, values, self.siblings(below, stop, depth + 1)[0] if below < stop else []))
            at = stop
        return found, at

    def properties(self, at: int, end: int, count: int) -> list:
        found = []
        if count > end - at:
            raise self.broken(at)
        for _ in range(count):
            if at >= end:
                raise self.broken(at)
            code = bytes(self.data[at : at + 1])
            at += 1
            if code in _SCALARS:
                kind = struct.Struct(_SCALARS[code])
                value, at = self.unpack(kind, at, end)
                found.append(value[0])
            elif code in (b"S", b"R"):
                (length,), at = self.unpack(struct.Struct("<I"), at, end)
                if at + length > end:
                    raise self.broken(at)
                raw = bytes(self.data[at : at + length])
                found.append(raw.decode("utf-8", "replace") if code == b"S" else raw)
                at += length
            elif code in _ARRAYS:
                value, at = self.array(np.dtype(_ARRAYS[code]), at, end)
                found.append(value)
            else:
                raise FormatError(f"{self.source} has a property of unknown type {code!r} at byte {at - 1}")
        return found

    def unpack(self, kind: struct.Struct, at: int, end: int) -> tuple[tuple, int]:
        if at + kind.size > end:
            raise self.broken(at)
        return kind.unpack_from(self.data, at), at + kind.size

    def array(self, dtype: np.dtype, at: int, end: int) -> tuple[np.ndarray, int]:
        (count, encoding, length), at = self.unpack(struct.Struct("<III"), at, end)
        size = count * dtype.itemsize
        if encoding not in (0, 1) or at + (length if encoding else size) > end:
            raise self.broken(at)
        self.budget.take(count)
        if not encoding:
            return np.frombuffer(self.data[at : at + size], dtype), at + size
        inflate = zlib.decompressobj()
        try:
            raw = inflate.decompress(self.data[at : at + length], size + 1)
        except zlib.error as error:
            raise FormatError(f"{self.source}: an array at byte {at} does not inflate ({error})") from error
        if len(raw) != size:
            raise FormatError(f"{self.source}: an array at byte {at} does not inflate to the {size} bytes it names")
        return np.frombuffer(raw, dtype), at + length


def write_nodes(root: Node, *, version: int = 7400) -> bytes:
    """A binary FBX file of the records below `root`; the same bytes for the same tree."""
    head = struct.Struct("<QQQB" if version >= WIDE else "<IIIB")
    out = bytearray(MAGIC + struct.pack("<I", version))
    for node in root.children:
        _write(node, out, head)
    out += bytes(head.size)
    out += _FOOTER + bytes(-(len(out) + 16) % 16 or 16) + bytes(4)
    out += struct.pack("<I", version) + bytes(120) + _END
    return bytes(out)


def _write(node: Node, out: bytearray, head: struct.Struct) -> None:
    start = len(out)
    name = node.name.encode()
    out += bytes(head.size) + name
    before = len(out)
    for value in node.properties:
        out += _property(value)
    length = len(out) - before
    for child in node.children:
        _write(child, out, head)
    if node.children or not node.properties:
        out += bytes(head.size)
    head.pack_into(out, start, len(out), len(node.properties), length, len(name))


def _property(value) -> bytes:
    if isinstance(value, np.int64):  # ids and times: the same width whatever their value
        return struct.pack("<cq", b"L", value)
    if isinstance(value, (bool, np.bool_)):
        return b"C" + struct.pack("<?", value)
    if isinstance(value, (int, np.integer)):
        return struct.pack("<ci", b"I", value) if -(2**31) <= value < 2**31 else struct.pack("<cq", b"L", value)
    if isinstance(value, (float, np.floating)):
        return struct.pack("<cd", b"D", value)
    if isinstance(value, str):
        raw = value.encode()
        return struct.pack("<cI", b"S", len(raw)) + raw
    if isinstance(value, bytes):
        return struct.pack("<cI", b"R", len(value)) + value
    array = np.ascontiguousarray(value)
    code = _CODES[array.dtype.str[1:]]
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    packed = zlib.compress(raw, 6) if len(raw) >= DEFLATE_FROM else raw
    return struct.pack("<cIII", code, array.size, int(packed is not raw), len(packed)) + packed
