from pathlib import Path

import pytest

from assets import locate

FOLDERS = {"EMBERFACE_CACHE": locate.cache_folder, "EMBERFACE_HEADS": locate.heads_folder}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch, tmp_path):
    for name in (*FOLDERS, "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("variable", FOLDERS)
def test_the_user_says_where(variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path / "mine"))
    assert FOLDERS[variable]() == tmp_path / "mine"
    monkeypatch.setenv(variable, "~/mine")
    assert FOLDERS[variable]() == tmp_path / "mine"
    monkeypatch.setenv(variable, "")
    assert FOLDERS[variable]() != Path()


@pytest.mark.parametrize(
    ("platform", "cache", "heads"),
    [
        ("linux", ".cache/emberface/cache", ".local/share/emberface/heads"),
        ("darwin", "Library/Caches/emberface/cache", "Library/Application Support/emberface/heads"),
        ("win32", "AppData/Local/emberface/cache", "AppData/Local/emberface/heads"),
    ],
)
def test_each_platform_has_its_place(platform, cache, heads, monkeypatch, tmp_path):
    monkeypatch.setattr(locate.sys, "platform", platform)
    assert locate.cache_folder() == tmp_path / cache
    assert locate.heads_folder() == tmp_path / heads


def test_xdg_folders_count_where_they_are_absolute(monkeypatch, tmp_path):
    monkeypatch.setattr(locate.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert locate.cache_folder() == tmp_path / "c" / "emberface" / "cache"
    assert locate.heads_folder() == tmp_path / ".local/share/emberface/heads"


def test_asking_makes_nothing(tmp_path):
    for folder in FOLDERS.values():
        assert not folder().exists()
    assert not list(tmp_path.iterdir())
