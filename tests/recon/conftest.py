from pathlib import Path

import numpy as np
import pytest

from assets.locate import asset_path
from flame_tools.load import load_head
from recon.pipeline import landmark_model, reconstruct
from render.image import read_image
from tests.shared_data import shared_file


def shared(name: str) -> Path:
    """A file of ../shared/data/faces, or a skip where the machine has none."""
    return shared_file(f"faces/{name}")


@pytest.fixture(scope="session")
def head():
    return load_head()


@pytest.fixture(scope="session")
def model(head):
    return landmark_model(head.arrays)


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """The bundled NASA portrait, uint8 [512, 512, 3]."""
    return read_image(asset_path("astronaut"))


@pytest.fixture(scope="session")
def person(astronaut, head):
    """Its reconstruction."""
    (track,) = reconstruct(astronaut, head)
    return track


@pytest.fixture(scope="session")
def weakly(astronaut, head):
    """The same in weak perspective."""
    (track,) = reconstruct(astronaut, head, weak=True)
    return track
