"""From an asset's name to a file that is known to be intact."""

from __future__ import annotations

import functools
import hashlib
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
