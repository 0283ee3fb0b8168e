"""Every row comes once a round, and processes share each batch."""

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError
from learning import processes
from learning.order import rows_of_step


def shared(monkeypatch, count, made):
    """What each of `count` processes makes."""
    monkeypatch.setattr(processes, "count", lambda: count)
    found = []
    for rank in range(count):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        found.append(made())
    return found


def test_all_rows_come_before_one_comes_again():
    rounds = [np.concatenate([rows_of_step(12, 4, 3 * start + step, 5) for step in range(3)]) for start in (0, 1)]
    assert all(sorted(rows) == list(range(12)) for rows in rounds) and not np.array_equal(*rounds)
    assert sorted(rows_of_step(7, 64, 2, 5)) == list(range(7))


def test_processes_share_a_batch(monkeypatch):
    whole = rows_of_step(100, 12, 4, 0)
    parts = shared(monkeypatch, 3, lambda: rows_of_step(100, 12, 4, 0))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_of_few_rows_every_process_has_as_many(monkeypatch):
    at = lambda step: np.concatenate(shared(monkeypatch, 2, lambda: rows_of_step(7, 64, step, 0)))  # noqa: E731
    steps = [at(step) for step in range(20)]
    assert {len(np.unique(rows)) for rows in steps} == {6}
    assert set(np.concatenate(steps)) == set(range(7))
    with pytest.raises(InputError, match="there are 3 to learn from, too few for 4 processes"):
        shared(monkeypatch, 4, lambda: rows_of_step(3, 64, 0, 0))
    with pytest.raises(InputError, match="a batch of 5 is not shared evenly"):
        shared(monkeypatch, 2, lambda: rows_of_step(7, 5, 0, 0))


@pytest.mark.parametrize("draw", [processes.normal, processes.uniform])
def test_each_process_draws_its_rows_of_the_noise(monkeypatch, draw):
    noise = lambda rows: draw(torch.empty(rows, 2), torch.Generator().manual_seed(1))  # noqa: E731
    whole = noise(6)
    assert torch.equal(torch.cat(shared(monkeypatch, 3, lambda: noise(2))), whole)
