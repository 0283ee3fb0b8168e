"""Memory that is used again: the first touch of fresh pages costs more than drawing into them."""

from __future__ import annotations

import math
import os
import sys
import threading

import numpy as np

KEPT_BYTES = 64 << 20  # of results that nobody holds any more

_scratch = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype=np.float64) -> np.ndarray:
    """An uninitialised array of this thread, kept between calls: fresh pages cost more than the drawing."""
    store = _scratch.__dict__
    count = math.prod(shape)
    flat = store.get(name)
    if flat is None or flat.size < count or flat.dtype != dtype:
        flat = store[name] = np.empty(count, dtype)
    return flat[:count].reshape(shape)


def _references(arrays: list[np.ndarray]) -> list[int]:
    return [sys.getrefcount(flat) for flat in arrays]


_ALONE = _references([np.empty(0)])[0]  # of an array that only its list holds, whatever this Python counts
_lock = threading.Lock()
_results: list[np.ndarray] = []


def _unlock() -> None:
    """A thread that held the lock during a fork does not live on in the child to release it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def recycled(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An uninitialised array for a result. Its memory is given out again once nothing refers to it any more."""
    count = math.prod(shape) * np.dtype(dtype).itemsize
    with _lock:
        for k, references in enumerate(_references(_results)):
            if references == _ALONE and _results[k].size == count:
                return _results[k].view(dtype).reshape(shape)
        flat = np.empty(count, np.uint8)
        _results.append(flat)
        while len(_results) > 1 and sum(kept.size for kept in _results) > KEPT_BYTES:
            _results.pop(0)  # whoever holds it keeps it
        return flat.view(dtype).reshape(shape)
