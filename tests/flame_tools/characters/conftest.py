"""The default head as a sculptor has it."""

import pytest
import torch

from flame_tools import load_head
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params


@pytest.fixture(scope="session")
def source():
    return load_head()


@pytest.fixture(scope="session")
def shapes(source):
    """The 52 as a sculptor has them: whole offsets [V, 3] with the jaw and the eyes turned."""
    rest = source.arrays.v_template
    poses = source.vertices(to_params(torch.eye(len(ARKIT_NAMES)), source)).numpy()
    whole = {name: poses[i] - rest for i, name in enumerate(ARKIT_NAMES)}
    both = to_params(torch.eye(len(ARKIT_NAMES))[[INDEX["mouthClose"], INDEX["jawOpen"]]].sum(0), source)
    whole["mouthClose"] = source.vertices(both).numpy() - rest - whole["jawOpen"]  # over an open jaw
    return whole
