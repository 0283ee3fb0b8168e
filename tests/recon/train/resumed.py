"""A training that is stopped and goes on, beside one that is not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn


def check_goes_on(train: Callable[..., nn.Module], folder: Path, *, stop: int) -> None:
    """`train(folder, progress=...)` ends in the same weights where it was stopped after a step and asked again."""

    def stopped(step, losses):
        if step == stop:
            raise KeyboardInterrupt

    whole = train(folder / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(folder / "parts", progress=stopped)
    torch.rand(5)  # what is drawn elsewhere does not matter
    parts = train(folder / "parts").state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts[name]), name
