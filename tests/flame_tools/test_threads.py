"""The pool of threads: every task once, errors raised here, alive after a fork and inside itself."""

import multiprocessing
import threading

import pytest

from flame_tools.threads import pool, run_tasks, share_out


def done_by(threads: int, count: int = 11) -> list[int]:
    done: list[int] = []
    run_tasks(done.append, [(i,) for i in range(count)], threads)
    return sorted(done)


@pytest.mark.parametrize("threads", [1, 2, 5, 40])
def test_every_task_is_done_once(threads):
    assert done_by(threads) == list(range(11))


@pytest.mark.parametrize("batch", [0, 1, 7, 500])
def test_a_batch_is_shared_out_whole(batch):
    seen: list[int] = []
    share_out(batch, 50_000, lambda first, last: seen.extend(range(first, last)))
    assert sorted(seen) == list(range(batch))


def test_an_error_of_a_task_is_raised_here():
    def fail(i):
        if i == 3:
            raise KeyError("the third")

    with pytest.raises(KeyError, match="the third"):
        run_tasks(fail, [(i,) for i in range(6)], 2)


def test_tasks_of_the_pool_may_use_the_pool():
    """As many tasks as the pool has threads, each waiting for more of them: a pool of its own would be waited for."""
    counts = []
    worker = threading.Thread(
        target=run_tasks, args=(lambda i: counts.append(len(done_by(4))), [(i,) for i in range(64)], 64), daemon=True
    )
    worker.start()
    worker.join(60)
    assert counts == [11] * 64


def _in_child(pipe) -> None:
    pipe.send(done_by(2))


def test_a_forked_child_has_a_pool_of_its_own():
    assert pool().submit(lambda: 1).result() == 1  # the parent's threads exist, and stay with the parent
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(theirs,))
    child.start()
    try:
        assert ours.poll(60), "the child waits for threads that it has not"
        assert ours.recv() == list(range(11))
    finally:
        child.kill()
        child.join()
