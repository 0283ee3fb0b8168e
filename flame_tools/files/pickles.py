"""Pickles read as data: a parser that can build arrays and nothing else.

FLAME is published as Python 2 pickles that hold chumpy and scipy objects, its landmark files hold torch tensors, and a
pickle may name any function to be called while it is read. Here every global a pickle names is looked up in a short
table of inert stand-ins (stand_ins.py); any other is refused by its name before anything happens. Stand-ins become
numpy arrays once the whole file has been read.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from flame_tools.errors import FormatError
from flame_tools.files.stand_ins import TABLE, Group, StandIn, Storage, StorageType

MAX_BYTES = 1 << 30  # of a file, and of all arrays that one file makes


def read_pickle(path: str | os.PathLike, *, only: tuple[str, ...] | None = None) -> object:
    """The content of a pickle: dicts, lists, tuples, strings, bytes, numbers and numpy arrays.

    Protocols 0 to 5 and Python 2 strings (latin1) are understood; chumpy's Ch, Select and Reshape, scipy's sparse
    matrices and torch's tensors become dense arrays. Raises FormatError for any other global, a broken or an over-long
    file. Of a dict, `only` names the entries to make arrays of; the others are left out.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(
            f"{path} has {path.stat().st_size >> 20} MiB, more than any head; the limit is {MAX_BYTES >> 20}"
        )
    return parse_pickle(path.read_bytes(), str(path), only=only)


def parse_pickle(
    data: bytes,
    name: str = "the pickle",  # for messages
    storages: Mapping[str, bytes] | None = None,  # what torch keeps beside its pickle
    *,
    only: tuple[str, ...] | None = None,
) -> object:
    """`read_pickle` for bytes."""
    try:
        content = _Parser(io.BytesIO(data), encoding="latin1").load()
        if only is not None and isinstance(content, dict):
            content = {key: value for key, value in content.items() if key in only}
        return Reader(storages or {}).plain(content)
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from None
    except RecursionError:
        raise FormatError(f"{name} nests too deeply to be a head file") from None
    except Exception as error:  # a malformed stream can make the parser raise almost anything
        why = str(error) or "it ends too early"
        raise FormatError(f"{name} is not a readable pickle ({why}); it may be truncated") from error


class Reader:
    """Turns what was parsed into plain values, and keeps count of the memory that this takes."""

    def __init__(self, storages: Mapping[str, bytes]):
        self._storages = storages
        self._memo: dict[int, object] = {}
        self._kept: list[object] = []  # so that no id is used twice
        self._left = MAX_BYTES

    def plain(self, value: object) -> object:
        """`value` with every stand-in turned into the array it stands for.

        What the file mentions many times is resolved once and shared, so that a small file cannot grow without bound.
        """
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return value
        memo = self._memo
        if id(value) in memo:
            if memo[id(value)] is memo:
                raise FormatError("it contains itself")
            return memo[id(value)]
        memo[id(value)] = memo  # being resolved
        self._kept.append(value)
        if isinstance(value, StandIn):
            result = value.resolve(self)
        elif isinstance(value, dict):
            result = {key: self.plain(item) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            result = type(value)(self.plain(item) for item in value)
        else:
            raise FormatError(f"it holds a {type(value).__name__.lstrip('_')}, wanted arrays, numbers and text")
        memo[id(value)] = result
        return result

    def spend(self, size: int) -> None:
        """Say that an array of `size` bytes is about to be made. Raises FormatError where that is too much."""
        self._left -= size
        if size < 0 or self._left < 0:
            raise FormatError(f"its arrays take more than {MAX_BYTES >> 20} MiB, more than any head")

    def storage(self, key: str) -> bytes:
        """The bytes that a torch tensor refers to by a key."""
        if key not in self._storages:
            raise FormatError("it refers to data outside itself")
        return self._storages[key]

    def saved_storage(self, data: bytes) -> np.ndarray:
        """The numbers of one storage as `torch.save` writes it in its older format, inside another pickle.

        Five pickles follow each other: a magic number, the version, sizes of the machine, a reference to the storage,
        and the list of the storages' keys; then how many numbers there are (int64), and the numbers.
        """
        stream = io.BytesIO(data)
        _, version, machine, reference, keys = (_Parser(stream, encoding="latin1").load() for _ in range(5))
        little = isinstance(machine, dict) and machine.get("little_endian") is True
        if version != 1001 or not little or not isinstance(reference, Storage) or keys != [reference.key]:
            raise FormatError("a tensor kept in a form that torch does not write")
        (count,) = struct.unpack("<q", stream.read(8))
        return np.frombuffer(data, reference.dtype, max(count, 0), stream.tell())


_KEYS = str | bytes | int | float | bool | None  # of dicts; what nests can take for ever to hash


class _Parser(pickle._Unpickler):  # the interpreter's own pure Python reader: slower, and nothing to corrupt
    """Where the reader would call, look up or write an attribute of what the file names, only stand-ins are taken."""

    dispatch: ClassVar[dict] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in TABLE:
            raise FormatError(f"it names {module}.{name}, which no head needs; refused, nothing was executed")
        return TABLE[module, name]

    def persistent_load(self, pid: object) -> Storage:
        match pid:  # as torch writes it: of which type, under which key, on which device, how many, and of which view
            case ("storage", StorageType(dtype=dtype), str(key), _, _) | (
                "storage", StorageType(dtype=dtype), str(key), _, _, None,
            ):  # fmt: skip
                return Storage(dtype, key)
        raise FormatError("it refers to data outside itself")

    def get_extension(self, code: int) -> None:
        raise FormatError(f"it uses extension code {code}")

    def load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], StandIn):
            raise FormatError("it changes what is no object of its own")
        self.stack[-1].state = state

    dispatch[pickle.BUILD[0]] = load_build

    def _instantiate(self, kind: object, args: object) -> None:
        self.append(_made(kind, tuple(args)))

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = _made(self.stack[-1], args)

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_newobj_ex(self) -> None:
        named, args = self.stack.pop(), self.stack.pop()
        if named:
            raise FormatError("an object with named arguments, which no head has")
        self.stack[-1] = _made(self.stack[-1], args)

    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _put(self.stack[-1], [key, value])

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        items = self.pop_mark()
        _put(self.stack[-1], items)

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_empty_set(self) -> None:
        self.append(Group())

    dispatch[pickle.EMPTY_SET[0]] = load_empty_set

    def load_frozenset(self) -> None:
        items = self.pop_mark()
        self.append(Group(items))

    dispatch[pickle.FROZENSET[0]] = load_frozenset

    def load_additems(self) -> None:
        items = self.pop_mark()
        if not isinstance(self.stack[-1], Group):
            raise FormatError("it adds to what is no set")
        self.stack[-1].items += items

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        _put(self.stack[-1], items)

    dispatch[pickle.DICT[0]] = load_dict

    def load_bytearray8(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(size))  # reads what is there, and makes no room for what is not

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def _made(kind: object, args: tuple) -> StandIn:
    if not (isinstance(kind, type) and issubclass(kind, StandIn)):
        raise FormatError("an object of no known class")
    return kind(*args)


def _put(target: object, items: list) -> None:
    """Put keys and values, one after another, into a dict."""
    if type(target) is not dict or not all(isinstance(key, _KEYS) for key in items[::2]):
        raise FormatError("it holds a dict of no kind that a head has")
    target.update(zip(items[::2], items[1::2], strict=True))
