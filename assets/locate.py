"""From an asset's name to a file that is known to be intact."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from importlib.resources import files
from pathlib import Path

from assets.errors import AssetError
from assets.registry import ASSETS

DATA = Path(str(files("assets"))) / "data"


def sha256_of(path: str | Path) -> str:
    """The file's SHA-256, 64 hex digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.cache
def asset_path(name: str) -> Path:
    """The bundled file called `name`, its checksum verified the first time a process asks for it."""
    asset = ASSETS.get(name)
    if asset is None:
        raise AssetError(f"no asset is called {name!r}; there are: {', '.join(sorted(ASSETS))}")
    path = DATA / asset.file
    if not path.is_file():
        raise AssetError(f"asset {name!r} should be at {path} but is not there; reinstall emberface")
    found = sha256_of(path)
    if found != asset.sha256:
        raise AssetError(
            f"asset {name!r} ({path}) has sha256 {found[:12]}..., wanted {asset.sha256[:12]}...; reinstall emberface, "
            "or run tools/update_checksums.py if you changed the file on purpose"
        )
    return path


def cache_folder() -> Path:
    """Where what can be made again is kept: EMBERFACE_CACHE, or a folder in the user's cache. It may not exist yet."""
    return _users("EMBERFACE_CACHE") or _place("XDG_CACHE_HOME", ".cache", "Library/Caches") / "emberface" / "cache"


def heads_folder() -> Path:
    """Where registered heads are kept: EMBERFACE_HEADS, or a folder in the user's data. It may not exist yet."""
    data = ("XDG_DATA_HOME", ".local/share", "Library/Application Support")
    return _users("EMBERFACE_HEADS") or _place(*data) / "emberface" / "heads"


def _users(variable: str) -> Path | None:
    """The folder that an environment variable names, if it names one."""
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def _place(xdg: str, linux: str, mac: str) -> Path:
    """Where this platform's programs keep such files of one user."""
    if sys.platform == "win32":
        return _users("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / mac
    place = _users(xdg)
    return place if place and place.is_absolute() else Path.home() / linux  # XDG: a relative path counts as none
