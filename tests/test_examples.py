"""Every example runs as its first line says, and draws a picture."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))


def test_they_are_numbered_from_one():
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_says_how_to_run_it_and_shows_its_picture(path):
    text = path.read_text()
    assert f"python examples/{path.name}" in text
    (picture,) = set(re.findall(r"docs/images/\w+\.png", text))
    assert (ROOT / picture).is_file()
    assert len(text.splitlines()) <= 65


SLOW = ("04", "06", "07", "08")  # half a minute of a core each
RUN = [pytest.param(path, marks=[pytest.mark.long] * path.name.startswith(SLOW), id=path.stem) for path in EXAMPLES]


@pytest.mark.parametrize("path", RUN)
def test_it_runs(path, tmp_path):
    picture = tmp_path / "picture.png"
    subprocess.run([sys.executable, path, "-o", picture, "--size", "64"], cwd=tmp_path, check=True)
    pixels = np.asarray(Image.open(picture))
    assert pixels.std() > 10
