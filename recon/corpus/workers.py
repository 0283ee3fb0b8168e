"""Sources to samples side by side: results come in the order of the sources, a few of them in memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch

from flame_tools.errors import InputError
from flame_tools.load import load_head
from recon.corpus.fitted import BuildOptions, Fitter, Made
from recon.corpus.source import Source

_AHEAD = 4  # sources a process that are given out at once
_fitter: Fitter | None = None  # of a process that was started here


def made_in_order(sources: Iterator[Source], head: str, options: BuildOptions, jobs: int) -> Iterator[Made]:
    """What becomes of each source; with one job in this process. The bytes do not depend on `jobs`."""
    if jobs == 1:
        with _one_thread():
            fitter = Fitter(load_head(head), options)
            for source in sources:
                yield fitter.made_of(source)
        return
    waiting: deque = deque()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (head, options)) as pool:
        try:
            for source in sources:
                waiting.append(pool.submit(_made_of, source))
                if len(waiting) >= jobs * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise InputError(f"one of {jobs} processes ended, perhaps for want of memory; try fewer --jobs") from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: sums are then the same wherever they are made."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _begin(head: str, options: BuildOptions) -> None:
    global _fitter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it, and ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _fitter = Fitter(load_head(head), options)


def _end_with_parent() -> None:
    """A parent that was killed cannot end its children: they see to it themselves."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _made_of(source: Source) -> Made:
    return _fitter.made_of(source)
