import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from assets import ASSETS, asset_path, locate
from assets.errors import AssetError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_asset_is_there_and_is_what_the_registry_says(name):
    path = asset_path(name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == ASSETS[name].sha256


def test_nothing_lies_in_the_folder_unregistered():
    assert {p.name for p in locate.DATA.iterdir()} == {a.file for a in ASSETS.values()}


def test_every_file_is_credited():
    notice = (ROOT / "NOTICE").read_text()
    for asset in ASSETS.values():
        assert asset.file in notice, f"NOTICE does not mention {asset.file}"
        assert asset.licence and asset.source


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AssetError, match=r"'nose'.*head.*voice"):
        asset_path("nose")


def test_an_altered_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / ASSETS["voice_text"].file).write_text("Something else.\n")
    monkeypatch.setattr(locate, "DATA", tmp_path)
    with pytest.raises(AssetError, match="sha256"):
        asset_path.__wrapped__("voice_text")
    with pytest.raises(AssetError, match="not there"):
        asset_path.__wrapped__("voice")


def test_updating_the_checksums_changes_nothing_when_nothing_changed():
    registry = ROOT / "assets" / "registry.py"
    before = registry.read_text()
    assert all(re.fullmatch("[0-9a-f]{64}", a.sha256) for a in ASSETS.values())
    subprocess.run([sys.executable, ROOT / "tools" / "update_checksums.py"], check=True)
    assert registry.read_text() == before
