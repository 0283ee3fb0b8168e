"""The wheel carries the packages, the assets and the command."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from assets import ASSETS
from assets.locate import DATA

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from what git knows, so that stray files of a working folder neither help nor harm."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    if not (ROOT / ".git").exists():
        pytest.skip("a wheel is built from a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "-q", "-w", out], check=True
    )
    (path,) = out.iterdir()
    return path


def test_it_carries_every_asset_unaltered(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for asset in ASSETS.values():
            assert archive.read(f"assets/data/{asset.file}") == (DATA / asset.file).read_bytes()


def test_it_carries_all_our_modules_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if n.endswith(".py")}
    packages = ("assets", "flame_tools", "render", "readers", "learning", "recon", "animate")
    wanted = {str(p.relative_to(ROOT)) for package in packages for p in (ROOT / package).rglob("*.py")}
    wanted |= {p.name for p in ROOT.glob("emberface*.py")}
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert names == wanted & set(listed.split())


def test_its_metadata_names_licence_command_and_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(n).decode() for n in archive.namelist() if n.endswith("METADATA"))
        (points,) = (archive.read(n).decode() for n in archive.namelist() if n.endswith("entry_points.txt"))
        licences = [n for n in archive.namelist() if "/licenses/" in n]
    assert "emberface = emberface:main" in points
    assert re.search(r"^License-Expression: Apache-2.0$", metadata, re.M)
    assert {Path(n).name for n in licences} == {"LICENSE", "NOTICE"}
    assert re.search(r"^Requires-Dist: torch", metadata, re.M)
