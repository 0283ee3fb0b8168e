import numpy as np
import pytest
import torch
from PIL import Image

from assets.locate import asset_path
from flame_tools.head import Head
from flame_tools.load import load_head
from readers.coarse import coarse
from readers.stage import VIEWS, Stage
from tests.shared_data import shared_file

NAMES = ("astronaut.png", "grace_hopper.jpg", "obama_official_2012.jpg")


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """The bundled NASA portrait, uint8 [512, 512, 3]."""
    return np.asarray(Image.open(asset_path("astronaut")).convert("RGB"))


@pytest.fixture(params=NAMES)
def portrait(request) -> np.ndarray:
    return np.asarray(Image.open(shared_file(f"faces/{request.param}")).convert("RGB"))


@pytest.fixture(scope="session")
def head():
    return load_head("default")


@pytest.fixture(scope="session")
def stages(head):
    """The default head's views, at the detail that training uses."""
    return {view: Stage(coarse(head), view) for view in VIEWS}


@pytest.fixture(scope="session")
def stages64(stages):
    """The mouth in double precision."""
    return Stage(Head(stages["mouth"].head.arrays, dtype=torch.float64), "mouth")
