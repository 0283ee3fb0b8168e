"""One pool of threads for kernels that release the GIL, made anew in a forked child (threads do not survive a fork)."""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

_WORTH_A_THREAD = 60_000  # vertices: below, handing work to another thread costs more than it saves
_pools: dict[int, ThreadPoolExecutor] = {}  # by process id: a child never touches its parent's pool
_here = threading.local()  # .working is set in the pool's own threads


def default_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pool() -> ThreadPoolExecutor:
    """The pool of this process, as wide as its cores."""
    process = os.getpid()
    if process not in _pools:
        _pools.clear()
        _pools[process] = ThreadPoolExecutor(
            default_threads(), thread_name_prefix="kernels", initializer=lambda: setattr(_here, "working", True)
        )
    return _pools[process]


def run_tasks(function, tasks: list[tuple], threads: int) -> None:
    """Call `function(*task)` for each task, at most `threads` at once. The first error is raised here.

    Inside one of the pool's own threads the tasks run in turn: waiting there for the same pool would never end.
    """
    lanes = min(threads, len(tasks))
    if lanes <= 1 or getattr(_here, "working", False):
        for task in tasks:
            function(*task)
        return

    def share(first):
        for task in tasks[first::lanes]:
            function(*task)

    for future in [pool().submit(share, lane) for lane in range(lanes)]:
        future.result()


def share_out(batch: int, vertices: int, kernel) -> None:
    """Run `kernel(first, last)` over the meshes of a batch, on as many threads as torch may use."""
    lanes = max(1, min(torch.get_num_threads(), batch, batch * vertices // _WORTH_A_THREAD))
    edges = [batch * lane // lanes for lane in range(lanes + 1)]
    run_tasks(kernel, list(itertools.pairwise(edges)), lanes)
