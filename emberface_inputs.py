"""What the commands are given, looked at before anything is loaded: a wrong name is said at once."""

from __future__ import annotations

import warnings
from pathlib import Path

from flame_tools.errors import FormatError, InputError

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".opus", ".wma")
MESHES = (".obj", ".ply", ".stl", ".glb", ".gltf", ".fbx")


def check_there(*paths: Path | None) -> None:
    """Raises InputError where one of the paths leads nowhere; None is a path that was not given."""
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(f"{path} does not exist; check the name")


def told_apart(track: Path, other: Path) -> tuple[str, str]:
    """What two tracks that are shown beside each other are called: by their names, with the folders where these are
    alike."""
    first, second = (path.name.removesuffix(".face.npz") for path in (track, other))
    if first == second and track.parent != other.parent:
        return str(track.with_name(first)), str(other.with_name(second))
    return first, second


def check_pictures(paths: list[Path]) -> None:
    """Raises InputError or FormatError where a path is no picture, film or folder, as far as ending and start tell."""
    check_there(*paths)
    from render.footage import is_film  # and with it torch

    for path in paths:
        ending = path.suffix.lower()
        if ending in SOUNDS:
            raise InputError(f"{path} is a sound, and a face is read of pictures and films; emberface animate hears it")
        if ending in MESHES:
            raise InputError(f"{path} is a mesh, and a face is read of pictures and films; emberface fit takes scans")
        if path.is_file() and path.stat().st_size and not is_film(path):
            _check_picture(path)


def _check_picture(path: Path) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF entries and of size, which is checked where it is read
            Image.open(path).close()
    except UnidentifiedImageError:
        raise FormatError(
            f"{path} is no picture and no film that can be read; wanted PNG, JPEG, WebP, TIFF or the like, or MP4, "
            "MOV, MKV, WebM, AVI, GIF or a folder of pictures"
        ) from None
    except Exception:  # a picture, and a damaged one: who reads it says what is wrong
        return
