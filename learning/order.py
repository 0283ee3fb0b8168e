"""Which rows a step learns from: all of them in another order each time, by seed and step alone."""

from __future__ import annotations

import numpy as np

from flame_tools.errors import InputError
from learning import processes


def rows_of_step(count: int, batch: int, step: int, seed: int) -> np.ndarray:
    """This process's rows, of `count`, in a step's batch. Where a batch is more than there are, all rows make one.

    Processes have as many rows each: of too few, those that they cannot share evenly are left for another step.
    """
    if count < batch:
        batch = count - count % processes.count()
    if not batch:
        raise InputError(f"there are {count} to learn from, too few for {processes.count()} processes; use fewer")
    rounds, within = divmod(step, count // batch)
    order = np.random.default_rng((seed, rounds)).permutation(count)
    return order[within * batch : (within + 1) * batch][processes.part_of(batch)]
