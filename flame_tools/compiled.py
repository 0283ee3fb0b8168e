"""How kernels are compiled: for stated types, without the GIL, kept on disk between runs where a disk allows it."""

from __future__ import annotations

from numba import njit


def kernel(signatures, **options):
    """A numba kernel for explicit signatures. Nothing is contracted or reordered unless `fastmath` is asked for."""

    def compile_it(function):
        try:
            return njit(signatures, nogil=True, cache=True, error_model="numpy", **options)(function)
        except RuntimeError as error:  # no place for the cache is writable: compile for this process only
            if "cannot cache" not in str(error):
                raise
            return njit(signatures, nogil=True, error_model="numpy", **options)(function)

    return compile_it
