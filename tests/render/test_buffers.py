"""Memory that is used again, and never while somebody still reads it."""

import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from render import buffers
from render.buffers import recycled, scratch


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_comes_back_only_when_nobody_holds_it():
    first = recycled((7, 11), np.float32)
    place = address(first)
    view = first[2:]
    del first
    other = recycled((7, 11), np.float32)
    assert address(other) != place
    tensor = torch.from_numpy(view)
    del view
    third = recycled((7, 11), np.float32)
    assert address(third) not in (place, address(other))
    del tensor, other
    gc.collect()
    assert address(recycled((11, 7), np.int32)) in (place, *[address(flat) for flat in buffers._results])
    again = [recycled((7, 11), np.float32) for _ in range(2)]
    assert place in map(address, again)


def test_what_is_kept_stays_small():
    for k in range(40):
        recycled((k + 1, 1 << 20), np.uint8)
    assert sum(flat.size for flat in buffers._results) <= max(buffers.KEPT_BYTES, 40 << 20)


def test_results_of_many_threads_never_share_memory():
    def work(k):
        mine = recycled((64, 64), np.int32)
        mine.fill(k)
        held = [recycled((64, 64), np.int32) for _ in range(3)]
        for other in held:
            other.fill(-1)
        return bool((mine == k).all())

    with ThreadPoolExecutor(8) as workers:
        assert all(workers.map(work, range(400)))


def test_scratch_is_of_the_thread():
    here = scratch("test", (4, 4))
    assert address(scratch("test", (2, 2))) == address(here)
    with ThreadPoolExecutor(1) as worker:
        assert worker.submit(lambda: address(scratch("test", (4, 4)))).result() != address(here)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_lock_held_during_a_fork_does_not_hang_the_child():
    with buffers._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # hanging ends as a failure
            recycled((3, 3), np.int32)
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
