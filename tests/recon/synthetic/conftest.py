import numpy as np
import pytest

from recon.synthetic.people import random_person
from recon.synthetic.scenes import random_scene


@pytest.fixture(scope="session")
def someone(head):
    return random_person(head.arrays, np.random.default_rng(5))


@pytest.fixture
def scene():
    """From the front, small, without blur or noise."""
    import dataclasses

    made = random_scene(np.random.default_rng(2), size=256)
    return dataclasses.replace(made, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0, shift=(0.0, 0.0), blur_px=0.0, noise=0.0)
