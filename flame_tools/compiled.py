"""How kernels are compiled: for stated types, without the GIL, kept on disk between runs where a disk allows it.

The first kernel of a process that is not on the disk yet is said to the logger "flame_tools.compiled", since many
together take a minute or more; the command line shows it to whoever watches.
"""

from __future__ import annotations

import functools
import logging

from numba import njit
from numba.core import event

_KEPT = "compiling kernels, once on this machine: a minute or two"
_LOST = "compiling kernels, for this run alone: no folder can keep them; set NUMBA_CACHE_DIR to one that can be written"


def kernel(signatures, **options):
    """A numba kernel for explicit signatures. Nothing is contracted or reordered unless `fastmath` is asked for."""

    def compile_it(function):
        try:
            with event.install_listener("numba:compile", _Told(_KEPT)):
                return njit(signatures, nogil=True, cache=True, error_model="numpy", **options)(function)
        except RuntimeError as error:  # no place for the cache is writable: compile for this process only
            if "cannot cache" not in str(error):
                raise
            with event.install_listener("numba:compile", _Told(_LOST)):
                return njit(signatures, nogil=True, error_model="numpy", **options)(function)

    return compile_it


class _Told(event.Listener):
    """Says `text` when something is compiled: what is read from the disk is no such event."""

    def __init__(self, text: str):
        self.text = text

    def on_start(self, event) -> None:
        _say_once(self.text)

    def on_end(self, event) -> None:
        pass


@functools.cache
def _say_once(text: str) -> None:
    logging.getLogger(__name__).info(text)
