"""What a pickle may name: inert stand-ins for numpy's, scipy's, chumpy's and torch's arrays.

A stand-in remembers how it was made and does nothing until `resolve` turns it into an array; `reader` is the
pickles.Reader that resolves what lies inside it and counts the memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from flame_tools.errors import FormatError

if TYPE_CHECKING:
    from flame_tools.files.pickles import Reader


class StandIn:
    """An object of the file: its class's arguments, and its state where it has one."""

    state: object = None

    def __init__(self, *args: object):
        self.args = args

    def resolve(self, reader: Reader) -> object:
        raise FormatError(f"it holds a {type(self).__name__.lstrip('_')}, wanted arrays, numbers and text")

    def attribute(self, key: str) -> object:
        if not isinstance(self.state, dict) or key not in self.state:
            raise FormatError(f"a {type(self).__name__.lstrip('_')} without {key!r}")
        return self.state[key]


# --- numpy ------------------------------------------------------------------------------------------------------------


class _DType(StandIn):
    """numpy.dtype(code, ...), state (version, byte order, ...)."""

    def dtype(self) -> np.dtype:
        code = self.args[0] if self.args else ""
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "="
        code, order = (x.decode("ascii") if isinstance(x, bytes) else x for x in (code, order))
        if code in ("O8", "O4", "O"):
            return np.dtype(object)
        if not (
            isinstance(code, str) and len(code) > 1 and code[0] in "biufcUS" and code[1:].isdigit() and order in "<>|="
        ):
            raise FormatError(f"an array of type {code!r} where numbers were wanted")
        return np.dtype(code).newbyteorder(order)


class _Array(StandIn):
    """numpy's _reconstruct, state (version, shape, dtype, fortran order, raw data or list)."""

    def resolve(self, reader: Reader) -> object:
        _, shape, dtype, fortran, raw = self.state
        return _array(raw, dtype.dtype(), shape, "F" if fortran else "C", reader)


class _Buffer(StandIn):
    """numpy's _frombuffer(data, dtype, shape, order), as protocol 5 writes."""

    def resolve(self, reader: Reader) -> object:
        raw, dtype, shape, order = self.args
        return _array(raw, dtype.dtype(), shape, order, reader)


class _Scalar(StandIn):
    """numpy's scalar(dtype, data)."""

    def resolve(self, reader: Reader) -> object:
        dtype, raw = self.args
        return _array(raw, dtype.dtype(), (), "C", reader)[()]


def _array(raw: object, dtype: np.dtype, shape: object, order: str, reader: Reader) -> np.ndarray:
    if dtype.hasobject:
        cells = np.empty(len(raw), object)
        cells[:] = [reader.plain(cell) for cell in raw]
        return cells.reshape(shape, order=order)
    if isinstance(raw, str):
        raw = raw.encode("latin1")
    reader.spend(len(raw))
    return np.frombuffer(raw, dtype).reshape(shape, order=order).astype(dtype.newbyteorder("="))


# --- scipy ------------------------------------------------------------------------------------------------------------


class _Sparse(StandIn):
    """A scipy.sparse matrix, whose state is its attributes, as a dense array."""

    layout = ""

    def resolve(self, reader: Reader) -> np.ndarray:
        from scipy import sparse

        state = {key: reader.plain(value) for key, value in self.state.items()}
        rows, columns = state.get("_shape", state.get("shape"))
        values = np.asarray(state["data"])
        reader.spend(rows * columns * values.itemsize)
        if self.layout == "coo":
            places = state["coords"] if "coords" in state else (state["row"], state["col"])
            matrix = sparse.coo_matrix((values, places), shape=(rows, columns))
        else:
            kind = sparse.csc_matrix if self.layout == "csc" else sparse.csr_matrix
            matrix = kind((values, state["indices"], state["indptr"]), shape=(rows, columns))
            matrix.check_format(full_check=True)
        return matrix.toarray()


class _Csc(_Sparse):
    layout = "csc"


class _Csr(_Sparse):
    layout = "csr"


class _Coo(_Sparse):
    layout = "coo"


# --- chumpy -----------------------------------------------------------------------------------------------------------


class _Ch(StandIn):
    def resolve(self, reader: Reader) -> object:
        return reader.plain(self.attribute("x"))


class _Select(StandIn):
    def resolve(self, reader: Reader) -> np.ndarray:
        source = np.asarray(reader.plain(self.attribute("a"))).ravel()
        indices = np.asarray(reader.plain(self.attribute("idxs")))
        reader.spend(indices.size * source.itemsize)
        return source[indices].reshape(reader.plain(self.attribute("preferred_shape")))


class _Reshape(StandIn):
    def resolve(self, reader: Reader) -> np.ndarray:
        return np.asarray(reader.plain(self.attribute("a"))).reshape(reader.plain(self.attribute("newshape")))


# --- torch ------------------------------------------------------------------------------------------------------------


class StorageType:
    """torch.FloatStorage and its like: a name that says the type of numbers."""

    def __init__(self, dtype: str):
        self.dtype = np.dtype(dtype)


class Storage(StandIn):
    """The numbers of a tensor, kept beside the pickle under `key`."""

    def __init__(self, dtype: np.dtype, key: str):
        self.dtype, self.key = dtype, key

    def resolve(self, reader: Reader) -> np.ndarray:
        return np.frombuffer(reader.storage(self.key), self.dtype)


class _Saved(StandIn):
    """torch.storage._load_from_bytes(data): a storage inside the pickle, in a format of its own."""

    def resolve(self, reader: Reader) -> np.ndarray:
        (data,) = self.args
        reader.spend(len(data))
        return reader.saved_storage(data.encode("latin1") if isinstance(data, str) else data)


class _Tensor(StandIn):
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)."""

    def resolve(self, reader: Reader) -> np.ndarray:
        storage, offset, size, stride = self.args[:4]
        numbers = reader.plain(storage)
        whole = all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)) and len(size) == len(stride)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
        if not whole or (math.prod(size) and last >= len(numbers)):
            raise FormatError(f"a tensor {list(size)} that reaches past its {len(numbers)} numbers")
        reader.spend(math.prod(size) * numbers.itemsize)
        steps = [step * numbers.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps, writeable=False).copy()


class _Parameter(StandIn):
    """torch._utils._rebuild_parameter(tensor, requires_grad, hooks)."""

    def resolve(self, reader: Reader) -> object:
        return reader.plain(self.args[0])


# --- Python -----------------------------------------------------------------------------------------------------------


class Group(StandIn):
    """A set, which chumpy keeps its names in. Nothing is hashed: what a file nests can take for ever to hash."""

    def __init__(self, items: object = ()):
        self.items = list(items) if isinstance(items, list | tuple) else []

    def resolve(self, reader: Reader) -> list:
        return [reader.plain(item) for item in self.items]


class _Marker(StandIn):
    """A name that is only ever passed as an argument (numpy.ndarray, object)."""


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """Python 3 writes bytes as _codecs.encode(text, 'latin1') in protocols 0 to 2."""
    if encoding not in ("latin1", "latin-1"):
        raise FormatError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Python 3 writes empty bytes as bytes() in protocols 0 to 2."""
    return b""


def _reconstructed(kind: type, _base: object = None, _state: object = None) -> StandIn:
    """copy_reg._reconstructor, as protocols 0 and 1 write new-style objects."""
    if not (isinstance(kind, type) and issubclass(kind, StandIn)):
        raise FormatError("an object of no known class")
    return kind()


def _ordered(pairs: object = ()) -> dict:
    """collections.OrderedDict, a plain dict here."""
    if pairs:
        raise FormatError("an OrderedDict in a form that no head file has")
    return {}


TABLE: dict[tuple[str, str], type[StandIn] | StorageType | Callable] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Buffer for core in ("core", "_core")},
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Marker,
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): _ordered,
    **{(module, "_reconstructor"): _reconstructed for module in ("copy_reg", "copyreg")},
    **{(module, "bytes"): _no_bytes for module in ("__builtin__", "builtins")},
    **{(module, kind): Group for module in ("__builtin__", "builtins") for kind in ("set", "frozenset")},
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
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _Parameter,
    ("torch.storage", "_load_from_bytes"): _Saved,
    **{
        ("torch", f"{name}Storage"): StorageType(code)
        for name, code in {
            "Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2",
            "Char": "i1", "Byte": "u1", "Bool": "?",
        }.items()
    },
}  # fmt: skip
