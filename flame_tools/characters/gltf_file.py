"""The container of glTF 2.0: its JSON, its buffers, and the accessors that give arrays.

Only what lies in the file, or in a file beside it, is read; nothing is fetched. Every number that the file gives is
checked against what is there before it is used.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from pathlib import Path

import numpy as np

from flame_tools.characters.scene import Budget, finite, in_range
from flame_tools.errors import FormatError

MAX_FILE_BYTES = 1 << 30
_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_READABLE = re.compile(r"KHR_(mesh_quantization|materials_\w+|texture_\w+|lights_punctual)|EXT_texture_\w+|VRM\w*")


class GltfFile:
    """One file: its JSON, and its buffers as they are asked for."""

    def __init__(self, path: Path):
        self.path = path
        self.document, self.binary = _open(path)
        self.budget = Budget(str(path))
        self.buffers: dict[int, memoryview] = {}
        required = self.listed(self.document, "extensionsRequired")
        foreign = [str(e) for e in required if not _READABLE.fullmatch(str(e))]
        if foreign:
            raise self.error(f"needs {', '.join(foreign)}; export it without compression and such extensions")

    def error(self, message: str) -> FormatError:
        return FormatError(f"{self.path}: {message}")

    # --- plain access -----------------------------------------------------------------------------------------------

    def items(self, key: str, holder: dict | None = None) -> list[dict]:
        """A list of objects in the document, or in one of its objects."""
        found = (self.document if holder is None else holder).get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.error(f"{key} is no list of objects")
        return found

    def listed(self, holder: dict, key: str) -> list:
        """A list of anything."""
        found = holder.get(key, [])
        if not isinstance(found, list):
            raise self.error(f"{key} is {str(found)[:40]}, wanted a list")
        return found

    def item(self, key: str, index) -> dict:
        items = self.items(key)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(items):
            raise self.error(f"asks for {key}[{index!r}] of {len(items)}")
        return items[index]

    def number(self, holder: dict, key: str, default: int | None = None) -> int:
        value = holder.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(f"{key} is {value!r}, wanted a count")
        return value

    def numbers(self, holder: dict, key: str, default: list[float]) -> np.ndarray:
        value = holder.get(key, default)
        if not isinstance(value, list) or len(value) != len(default):
            raise self.error(f"{key} is {str(value)[:40]}, wanted {len(default)} numbers")
        if not all(isinstance(x, (int, float)) for x in value):
            raise self.error(f"{key} holds something else than numbers")
        try:
            array = np.array(value, np.float64)
        except OverflowError as error:  # a whole number of hundreds of digits
            raise self.error(f"{key} holds a number that is too large") from error
        return finite(array, key, str(self.path))

    # --- buffers ----------------------------------------------------------------------------------------------------

    def buffer(self, index) -> memoryview:
        described = self.item("buffers", index)
        if index not in self.buffers:
            length = self.number(described, "byteLength")
            uri = described.get("uri")
            if uri is None:
                if index != 0 or self.binary is None:
                    raise self.error(f"buffer {index} has no data")
                data = self.binary
            else:
                data = memoryview(self.outside(uri))
            if length > len(data):
                raise self.error(f"buffer {index} holds {len(data)} bytes, its header says {length}; it is cut short")
            self.buffers[index] = data[:length]
        return self.buffers[index]

    def outside(self, uri) -> bytes:
        """The bytes of a data URI, or of a file in the same folder or below."""
        if not isinstance(uri, str):
            raise self.error(f"a buffer's uri is {str(uri)[:40]}")
        if uri.startswith("data:"):
            head, _, text = uri.partition(",")
            if not head.endswith(";base64"):
                raise self.error(f"a buffer's data is {head[:40]}, wanted base64")
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as error:
                raise self.error(f"a buffer's data is no base64 ({error})") from error
        from urllib.parse import unquote

        name = unquote(uri)
        folder = self.path.resolve().parent
        place = (folder / name).resolve()
        if ":" in name or "\\" in name or "\0" in name or not place.is_relative_to(folder):
            raise self.error(f"points at {uri[:80]!r}; only files in its own folder are read: put the data there")
        if not place.is_file():
            raise self.error(f"lacks its data {name[:80]!r}; it belongs beside it")
        if place.stat().st_size > MAX_FILE_BYTES:
            raise self.error(f"its data {name[:80]!r} is over {MAX_FILE_BYTES >> 20} MiB")
        return place.read_bytes()

    def view(self, index, offset: int, count: int, dtype: str, width: int) -> np.ndarray:
        """[count, width] of a buffer view, with its stride."""
        view = self.item("bufferViews", index)
        data = self.buffer(view.get("buffer"))
        start, length = self.number(view, "byteOffset", 0), self.number(view, "byteLength")
        size = np.dtype(dtype).itemsize * width
        stride = self.number(view, "byteStride", 0) or size
        if stride < size or start + length > len(data) or (count and offset + stride * (count - 1) + size > length):
            raise self.error(
                f"a view of {count} x {size} bytes leaves its buffer of {len(data)}; the file is cut short"
            )
        if not count:
            return np.zeros((0, width), dtype)
        rows = np.ndarray((count, size), "u1", data, start + offset, (stride, 1))
        return np.ascontiguousarray(rows).view(dtype)

    def accessor(self, index, *, width: int) -> np.ndarray:
        """[n, width] of an accessor: float64 for floats and normalized numbers, else integers."""
        described = self.item("accessors", index)
        code, kind, count = described.get("componentType"), described.get("type"), self.number(described, "count")
        known = isinstance(code, int) and code in _TYPES and isinstance(kind, str)
        if not known or _WIDTHS.get(kind) != width:
            raise self.error(f"accessor {index} is {kind!r} of type {code!r}, wanted {width} numbers each")
        self.budget.take(count * width)
        dtype = _TYPES[code]
        if "bufferView" in described:
            offset = self.number(described, "byteOffset", 0)
            values = self.view(described["bufferView"], offset, count, dtype, width)
        else:
            values = np.zeros((count, width), dtype)
        if "sparse" in described:
            values = self.with_sparse(values, described["sparse"], dtype, width)
        if described.get("normalized") is True and values.dtype.kind in "iu":
            values = np.maximum(values / np.iinfo(values.dtype).max, -1.0)
        if values.dtype.kind == "f":
            values = finite(values, f"accessor {index}", str(self.path))
        return values

    def with_sparse(self, values: np.ndarray, sparse, dtype: str, width: int) -> np.ndarray:
        if not isinstance(sparse, dict) or not all(isinstance(sparse.get(k), dict) for k in ("indices", "values")):
            raise self.error("a sparse accessor lacks its indices or values")
        count = self.number(sparse, "count")
        where, what = sparse["indices"], sparse["values"]
        code = where.get("componentType")
        if count > len(values) or not isinstance(code, int) or code not in (5121, 5123, 5125):
            raise self.error(f"a sparse accessor changes {count} of {len(values)} values")
        at = self.view(where.get("bufferView"), self.number(where, "byteOffset", 0), count, _TYPES[code], 1)
        at = in_range(at[:, 0], len(values), "a sparse accessor", str(self.path))
        values = values.copy()
        values[at] = self.view(what.get("bufferView"), self.number(what, "byteOffset", 0), count, dtype, width)
        return values


def _open(path: Path) -> tuple[dict, memoryview | None]:
    """The JSON and the binary chunk, if there is one."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise FormatError(f"{path} is over {MAX_FILE_BYTES >> 20} MiB; export the head alone")
    data = memoryview(path.read_bytes())
    if not data:
        raise FormatError(f"{path} is empty; wanted a GLB or glTF: export it again")
    text, binary = data, None
    if bytes(data[:4]) == b"glTF":
        chunks = dict(_chunks(path, data))
        if b"JSON" not in chunks:
            raise FormatError(f"{path} has no JSON chunk; it is no glTF 2.0")
        text, binary = chunks[b"JSON"], chunks.get(b"BIN\0")
    elif not bytes(data[:64]).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        raise FormatError(f"{path} is no GLB and no glTF: it begins as neither; export it again")
    try:
        document = json.loads(bytes(text).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no glTF: its JSON cannot be read ({str(error)[:80]})") from error
    if not isinstance(document, dict) or not isinstance(document.get("asset"), dict):
        raise FormatError(f"{path} is no glTF: it has no asset")
    version = str(document["asset"].get("version", ""))
    if not version.startswith("2."):
        raise FormatError(f"{path} is glTF {version or 'without a version'}, wanted 2.0; export it again")
    return document, binary


def _chunks(path: Path, data: memoryview):
    if len(data) < 20 or struct.unpack_from("<I", data, 4)[0] != 2:
        raise FormatError(f"{path} is no glTF 2.0 file, or cut short")
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + length > len(data):
            raise FormatError(f"{path} is cut short: a chunk of {length} bytes has {len(data) - at - 8} left")
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length


def name_of(holder: dict, default: str) -> str:
    name = holder.get("name")
    return name if isinstance(name, str) and name else default
