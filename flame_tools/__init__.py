"""flame_tools: the FLAME core. Geometry that knows no image and no sound."""

from flame_tools.errors import AssetError, FaceError, FormatError, InputError, OutputError, ShapeError
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
