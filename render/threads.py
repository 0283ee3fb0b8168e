"""One pool of threads for kernels that release the GIL, made anew in a forked child (threads do not survive a fork)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

_pools: dict[int, ThreadPoolExecutor] = {}  # by process id: a child never touches its parent's pool


def default_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pool() -> ThreadPoolExecutor:
    """The pool of this process, as wide as its cores."""
    process = os.getpid()
    if process not in _pools:
        _pools.clear()
        _pools[process] = ThreadPoolExecutor(default_threads(), thread_name_prefix="render")
    return _pools[process]


def run_tasks(function, tasks: list[tuple], threads: int) -> None:
    """Call `function(*task)` for each task, at most `threads` at once. The first error is raised here."""
    if threads <= 1 or len(tasks) <= 1:
        for task in tasks:
            function(*task)
        return

    def share(first):
        for task in tasks[first::lanes]:
            function(*task)

    lanes = min(threads, len(tasks))
    for future in [pool().submit(share, lane) for lane in range(lanes)]:
        future.result()
