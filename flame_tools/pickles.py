"""Pickles read as data: a parser that can build arrays and nothing else.

FLAME is published as Python 2 pickles that hold chumpy and scipy objects, and a pickle may name any function to be
called while it is read. Here every global a pickle names is looked up in a short table of inert stand-ins; any other
is refused by its name before anything happens. Stand-ins become numpy arrays once the whole file has been read.
"""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError

MAX_BYTES = 2 << 30


def read_pickle(path: str | os.PathLike) -> object:
    """The content of a pickle: dicts, lists, tuples, strings, bytes, numbers and numpy arrays.

    Protocols 0 to 5 and Python 2 strings (latin1) are understood; chumpy's Ch, Select and Reshape and scipy's sparse
    matrices become dense arrays. Raises FormatError for any other global, a broken or an over-long file.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(
            f"{path} has {path.stat().st_size >> 20} MiB, more than any head; the limit is {MAX_BYTES >> 20}"
        )
    return parse_pickle(path.read_bytes(), str(path))


def parse_pickle(data: bytes, name: str = "the pickle") -> object:
    """`read_pickle` for bytes; `name` is used in messages."""
    try:
        return _plain(_Parser(io.BytesIO(data), encoding="latin1").load(), {})
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from None
    except RecursionError:
        raise FormatError(f"{name} nests too deeply to be a head file") from None
    except Exception as error:  # a malformed stream can make the parser raise almost anything
        raise FormatError(
            f"{name} is not a readable pickle ({type(error).__name__}: {error}); it may be truncated"
        ) from error


class _Stub:
    """Remembers how it was made; does nothing until `resolve`, which `_plain` calls once."""

    args: tuple = ()
    state: object = None

    def __init__(self, *args):
        self.args = args

    def __setstate__(self, state):
        self.state = state


class _DType(_Stub):
    """numpy.dtype(code, ...), state (version, byte order, ...)."""

    def dtype(self) -> np.dtype:
        code = self.args[0] if self.args else ""
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "="
        if isinstance(order, bytes):
            order = order.decode("ascii")
        if isinstance(code, bytes):
            code = code.decode("ascii")
        if (
            not isinstance(code, str)
            or len(code) < 2
            or code[0] not in "biuf"
            or not code[1:].isdigit()
            or order not in "<>|="
        ):
            if code in ("O8", "O4", "O"):
                return np.dtype(object)
            raise FormatError(f"an array of type {code!r} where numbers were wanted")
        return np.dtype(code).newbyteorder(order)


class _Array(_Stub):
    """numpy's _reconstruct, state (version, shape, dtype, fortran order, raw data or list)."""

    def resolve(self, memo: dict) -> object:
        _, shape, dtype, fortran, raw = self.state
        return _array(raw, dtype.dtype(), shape, "F" if fortran else "C", memo)


class _Buffer(_Stub):
    """numpy's _frombuffer(data, dtype, shape, order), as protocol 5 writes."""

    def resolve(self, memo: dict) -> object:
        raw, dtype, shape, order = self.args
        return _array(bytes(raw), dtype.dtype(), shape, order, memo)


class _Scalar(_Stub):
    """numpy's scalar(dtype, data)."""

    def resolve(self, memo: dict) -> object:
        dtype, raw = self.args
        return _array(raw, dtype.dtype(), (), "C", memo)[()]


class _Sparse(_Stub):
    """A scipy.sparse matrix: its state is its attributes."""

    layout = ""

    def resolve(self, memo: dict) -> np.ndarray:
        from scipy import sparse

        state = {key: _plain(value, memo) for key, value in self.state.items()}
        shape = state.get("_shape", state.get("shape"))
        if self.layout == "coo":
            places = state["coords"] if "coords" in state else (state["row"], state["col"])
            matrix = sparse.coo_matrix((state["data"], places), shape=shape)
        else:
            kind = sparse.csc_matrix if self.layout == "csc" else sparse.csr_matrix
            matrix = kind((state["data"], state["indices"], state["indptr"]), shape=shape)
            matrix.check_format(full_check=True)
        return matrix.toarray()


class _Csc(_Sparse):
    layout = "csc"


class _Csr(_Sparse):
    layout = "csr"


class _Coo(_Sparse):
    layout = "coo"


class _Chumpy(_Stub):
    """A chumpy array: the attributes that make up its value."""

    def attribute(self, key: str) -> object:
        if not isinstance(self.state, dict) or key not in self.state:
            raise FormatError(f"a chumpy object without {key!r}")
        return self.state[key]


class _Ch(_Chumpy):
    def resolve(self, memo: dict) -> object:
        return _plain(self.attribute("x"), memo)


class _Select(_Chumpy):
    def resolve(self, memo: dict) -> np.ndarray:
        source = np.asarray(_plain(self.attribute("a"), memo)).ravel()
        return source[_plain(self.attribute("idxs"), memo)].reshape(_plain(self.attribute("preferred_shape"), memo))


class _Reshape(_Chumpy):
    def resolve(self, memo: dict) -> np.ndarray:
        return np.asarray(_plain(self.attribute("a"), memo)).reshape(_plain(self.attribute("newshape"), memo))


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """Python 3 writes bytes as _codecs.encode(text, 'latin1') in protocols 0 to 2."""
    if encoding not in ("latin1", "latin-1"):
        raise FormatError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _reconstructed(kind: type, _base: object = None, _state: object = None) -> object:
    """copy_reg._reconstructor and __newobj__, as protocols 0 and 1 write new-style objects."""
    if not (isinstance(kind, type) and issubclass(kind, _Stub)):
        raise FormatError("an object of no known class")
    return kind()


class _Marker:
    """A name that is only ever passed as an argument (numpy.ndarray, object)."""


_TABLE = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Buffer for core in ("core", "_core")},
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Marker,
    ("_codecs", "encode"): _encoded,
    **{(module, "_reconstructor"): _reconstructed for module in ("copy_reg", "copyreg")},
    **{(module, "object"): _Marker for module in ("__builtin__", "builtins")},
    **{
        (module.format(layout), f"{layout}_{suffix}"): kind
        for layout, kind in (("csc", _Csc), ("csr", _Csr), ("coo", _Coo))
        for module in ("scipy.sparse.{}", "scipy.sparse._{}")
        for suffix in ("matrix", "array")
    },
    ("chumpy.ch", "Ch"): _Ch,
    ("chumpy.reordering", "Select"): _Select,
    ("chumpy.reordering", "Reshape"): _Reshape,
}  # fmt: skip


class _Parser(pickle._Unpickler):  # the interpreter's own pure Python reader: slower, and nothing to corrupt
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _TABLE:
            raise FormatError(f"it names {module}.{name}, which no head needs; refused, nothing was executed")
        return _TABLE[module, name]

    def persistent_load(self, pid: object) -> object:
        raise FormatError("it refers to data outside itself")

    def get_extension(self, code: int) -> None:
        raise FormatError(f"it uses extension code {code}")


def _array(raw: object, dtype: np.dtype, shape: object, order: str, memo: dict) -> np.ndarray:
    if dtype.hasobject:
        cells = np.empty(len(raw), object)
        cells[:] = [_plain(cell, memo) for cell in raw]
        return cells.reshape(shape, order=order)
    if isinstance(raw, str):
        raw = raw.encode("latin1")
    return np.frombuffer(raw, dtype).reshape(shape, order=order).astype(dtype.newbyteorder("="))


def _plain(value: object, memo: dict[int, object]) -> object:
    """`value` with every stand-in turned into the array it stands for.

    What the file mentions many times is resolved once and shared, so that a small file cannot grow without bound.
    """
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    if id(value) in memo:
        if memo[id(value)] is memo:
            raise FormatError("it contains itself")
        return memo[id(value)]
    memo[id(value)] = memo  # being resolved
    if isinstance(value, _Sparse | _Chumpy | _Array | _Buffer | _Scalar):
        result = value.resolve(memo)
    elif isinstance(value, dict):
        result = {_plain(key, memo): _plain(item, memo) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        result = type(value)(_plain(item, memo) for item in value)
    else:
        raise FormatError(f"it holds a {type(value).__name__.lstrip('_')}, wanted arrays, numbers and text")
    memo[id(value)] = result
    return result
