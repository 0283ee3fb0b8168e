"""flame_tools: the FLAME core. Geometry that knows no image and no sound.

What is said here is loaded when it is asked for: who only wants an error or a file's name does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from flame_tools.errors import AssetError, FaceError, FormatError, InputError, OutputError, ShapeError

if TYPE_CHECKING:
    from flame_tools.head import Head, Posed
    from flame_tools.load import load_head, read_head, save_head
    from flame_tools.track_file import load_track, save_track
    from flame_tools.types import (
        Appearance,
        Camera,
        Curves,
        Embedding,
        FaceParams,
        HeadArrays,
        Intervals,
        Mesh,
        Track,
    )

__all__ = [
    "Appearance", "AssetError", "Camera", "Curves", "Embedding", "FaceError", "FaceParams", "FormatError", "Head",
    "HeadArrays", "InputError", "Intervals", "Mesh", "OutputError", "Posed", "ShapeError", "Track",
    "load_head", "load_track", "read_head", "save_head", "save_track",
]  # fmt: skip
_HOMES = {
    "head": ("Head", "Posed"),
    "load": ("load_head", "read_head", "save_head"),
    "track_file": ("load_track", "save_track"),
    "types": ("Appearance", "Camera", "Curves", "Embedding", "FaceParams", "HeadArrays", "Intervals", "Mesh", "Track"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
