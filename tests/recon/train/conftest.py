import pytest

from recon.synthetic import crops as crops_module
from recon.synthetic.crops import made_crops


@pytest.fixture(scope="session")
def crops(head):
    """Twelve made crops, of two skins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops_module, "SKINS", 2)
        return made_crops(head, 12, 7)
