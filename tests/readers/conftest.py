import numpy as np
import pytest
from PIL import Image

from assets.locate import asset_path
from tests.shared_data import shared_file

NAMES = ("astronaut.png", "grace_hopper.jpg", "obama_official_2012.jpg")


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """The bundled NASA portrait, uint8 [512, 512, 3]."""
    return np.asarray(Image.open(asset_path("astronaut")).convert("RGB"))


@pytest.fixture(params=NAMES)
def portrait(request) -> np.ndarray:
    return np.asarray(Image.open(shared_file(f"faces/{request.param}")).convert("RGB"))
