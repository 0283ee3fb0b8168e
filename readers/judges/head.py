"""The head that judges look at: ICT-FaceKit, which the user has, whole for transfer and coarse for pictures."""

from __future__ import annotations

import functools
from pathlib import Path

from assets.errors import AssetError
from assets.locate import cache_folder, sha256_of
from flame_tools.head import Head
from flame_tools.head_file import read_head, save_head
from flame_tools.load import load_head, registered_heads
from flame_tools.surface.lod import simplify

NAME = "ict_facekit"
_COARSE = 0.12  # share of its triangles that pictures of 64 pixels need


def judge_head_file(path: Path | None = None) -> Path:
    """The file of ICT-FaceKit: `path`, or the head registered under its name.

    Raises AssetError where there is neither.
    """
    if path is not None and Path(path).exists():
        return Path(path)
    registered = registered_heads().get(NAME)
    if path is None and registered is not None:
        return registered
    found = f"there is no file {path}" if path is not None else f"no head called {NAME!r} is registered"
    raise AssetError(
        f"judges look at faces of ICT-FaceKit, and {found}; get ict_facekit.npz or the folder of its models "
        f"(https://github.com/ICT-VGL/ICT-FaceKit, MIT), then: emberface head add FILE --name {NAME}"
    )


def judge_head(path: Path | None = None) -> Head:
    """ICT-FaceKit whole."""
    return _loaded(str(judge_head_file(path)))


def coarse_judge_head(path: Path | None = None) -> Head:
    """ICT-FaceKit with fewer triangles and the same parameters; made once, then kept in the user's cache."""
    file = judge_head_file(path)
    if not file.is_file():
        return Head(simplify(_loaded(str(file)).arrays, ratio=_COARSE))
    kept = cache_folder() / "readers" / f"judge_head_{sha256_of(file)[:16]}.npz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_head(simplify(_loaded(str(file)).arrays, ratio=_COARSE), kept)
    return Head(read_head(kept))


@functools.lru_cache(maxsize=2)
def _loaded(file: str) -> Head:
    return load_head(file)
