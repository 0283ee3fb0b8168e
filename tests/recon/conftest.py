import os
from pathlib import Path

import numpy as np
import pytest

from assets.locate import asset_path
from flame_tools.load import load_head
from recon.pipeline import landmark_model, reconstruct
from render.image import read_image

FACES = Path(__file__).parents[2].parent / "shared" / "data" / "faces"


def shared(name: str) -> Path:
    path = FACES / name
    if not path.exists():
        if os.environ.get("CI") and FACES.is_dir():
            pytest.fail(f"{path} should be there")
        pytest.skip(f"{path} is not on this machine")
    return path


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
