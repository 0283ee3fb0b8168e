"""Real recordings and portraits beside the checkout, where there are any."""

import os
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


def shared_file(path: str) -> Path:
    """A file of ../shared/data. Where it is missing the test is skipped, but in CI with the folder it fails."""
    file = DATA / path
    if not file.exists():
        if os.environ.get("CI") and DATA.is_dir():
            pytest.fail(f"{file} should be there")
        pytest.skip(f"{file} is not on this machine")
    return file
