import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assets.locate import asset_path

PORTRAITS = Path(__file__).parents[2].parent / "shared" / "data" / "faces"
NAMES = ("astronaut.png", "grace_hopper.jpg", "obama_official_2012.jpg")


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """The bundled NASA portrait, uint8 [512, 512, 3]."""
    return np.asarray(Image.open(asset_path("astronaut")).convert("RGB"))


@pytest.fixture(params=NAMES)
def portrait(request) -> np.ndarray:
    path = PORTRAITS / request.param
    if not path.exists():
        if os.environ.get("CI") and PORTRAITS.is_dir():
            pytest.fail(f"{path} should be there")
        pytest.skip(f"{path} is not on this machine")
    return np.asarray(Image.open(path).convert("RGB"))
