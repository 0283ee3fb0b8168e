"""NumPy's .npy format read without trust: no array is made that the file's bytes do not fill."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from flame_tools.errors import FormatError

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_CHUNK = 1 << 20  # bytes read at once


def read_npy(
    stream: BinaryIO,
    size: int,  # bytes that the stream has
    *,
    objects: Callable[[bytes], object] | None = None,  # what to do with a pickle; refused where it is None
) -> np.ndarray | object:
    """The array in `stream`, or what `objects` makes of the pickle in it.

    Raises FormatError where the header promises more than `size`, or a type that is no number or text.
    """
    shape, fortran, dtype, start = read_npy_header(stream)
    if dtype.hasobject:
        if objects is None:
            raise FormatError("an array of Python objects, wanted numbers or text")
        return objects(stream.read(size - start))
    promised = math.prod(shape) * dtype.itemsize
    if promised > size - start:
        raise FormatError(f"an array {list(shape)} of {dtype} takes {promised} bytes but {size - start} are there")
    array = np.empty(math.prod(shape), dtype)
    fill(array, stream)
    return array.reshape(shape, order="F" if fortran else "C")


def read_npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, Fortran order, type and the header's length in bytes. Raises FormatError where they make no array."""
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran, dtype = _READERS[version](stream)
    except Exception as error:  # the header is parsed as Python's own literals, which fail in many ways
        raise FormatError(f"no array in NumPy's format 1 or 2 ({' '.join(str(error).split())[:200]})") from None
    if any(n < 0 for n in shape):
        raise FormatError(f"an array of shape {list(shape)}")
    if not dtype.hasobject and (dtype.kind not in "biufcUS" or dtype.subdtype is not None):
        raise FormatError(f"an array of type {dtype}, wanted numbers or text")
    return shape, fortran, dtype, stream.tell()


def fill(array: np.ndarray, stream: BinaryIO) -> None:
    """Read a contiguous array's bytes, a little at a time. Raises FormatError where the stream ends before."""
    if not array.nbytes:
        return
    view = memoryview(array.reshape(-1).view(np.uint8))
    done = 0
    while done < len(view):
        count = stream.readinto(view[done : done + _CHUNK])
        if not count:
            raise FormatError(f"an array of {len(view)} bytes ends after {done}; the file was cut short")
        done += count
