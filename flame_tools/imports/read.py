"""One entry to all readers: by what a file is, then by how its name ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flame_tools.archive import member_names
from flame_tools.characters.fbx_nodes import MAGIC
from flame_tools.errors import FormatError
from flame_tools.files.data import is_pickle
from flame_tools.frame_rate import rational
from flame_tools.head import Head
from flame_tools.imports.fbx import read_fbx
from flame_tools.imports.flame_params import looks_like_flame_params, read_flame_params
from flame_tools.imports.gltf import read_glb
from flame_tools.imports.livelink import looks_like_csv, read_csv
from flame_tools.posing import check_made_on
from flame_tools.resample import at_rate
from flame_tools.track_file import load_track
from flame_tools.types import Track

_ELSEWHERE = {  # endings of what is no performance, and the way out
    (".usd", ".usda", ".usdc", ".usdz"): "USD files are written and not read back: give the NAME.face.npz that it was "
    "made from, or a .glb or .fbx",
    (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic"): "a picture is no performance: run "
    "emberface recon on it first, and give the NAME.face.npz that it makes",
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"): "a film is no performance: run emberface recon on it first, and "
    "give the NAME.face.npz that it makes",
    (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac"): "a sound is no performance: run emberface animate on it first, "
    "and give the NAME.face.npz that it makes",
    (".obj", ".ply", ".stl"): "a mesh is no performance: run emberface fit on it first, and give the NAME.face.npz "
    "that it makes",
}
READERS = {  # by the ending of a file's name; a folder, as EMOCA fills, has none
    ".csv": read_csv,
    ".glb": read_glb,
    ".gltf": read_glb,
    ".fbx": read_fbx,
    ".npz": read_flame_params,
    ".pkl": read_flame_params,
    ".npy": read_flame_params,
    "": read_flame_params,
}


def read_track(
    path: str | os.PathLike,
    head: Head,
    *,
    fps: float | tuple[int, int] | None = None,  # sampled at this rate; None: the file's own frames
) -> Track:
    """A performance in any file that `READERS` know, or in a `.face.npz` of ours, as a Track on `head`.

    What a file is shows in its first bytes; the ending decides only where these do not tell. Raises FormatError where
    it is none of these or broken, InputError and ShapeError where it does not fit the head.
    """
    return reader_of(Path(path))(path, head, fps=fps)


def reader_of(path: Path) -> Callable[..., Track]:
    """The reader (path, head, *, fps) of what is at `path`. Raises FormatError where none reads it."""
    if path.is_dir() and not looks_like_flame_params(path):
        raise FormatError(f"{path} is a folder without EMOCA's exp.npy and shape.npy; name a file in it")
    if not path.exists():
        raise FormatError(f"{path} is not there; check the name")
    if not path.is_dir() and "header.npy" in member_names(path):
        return _of_ours
    kind = _kind(path)
    reader = READERS.get(kind)
    if reader is None:
        for endings, way_out in _ELSEWHERE.items():
            if kind in endings:
                raise FormatError(f"{path} cannot be read: {way_out}")
        known = ", ".join(ending for ending in READERS if ending)
        raise FormatError(f"{path} is no performance that can be read; wanted {known}")
    return reader


def _kind(path: Path) -> str:
    """The ending that a file should have."""
    if path.is_dir():
        return ""
    ending = path.suffix.lower()
    if ending == ".usdz":  # a zip as .npz is
        return ending
    with open(path, "rb") as file:
        start = file.read(len(MAGIC))
    for first, kind in ((b"glTF", ".glb"), (MAGIC, ".fbx"), (b"PK\x03\x04", ".npz"), (b"\x93NUMPY", ".npy")):
        if start.startswith(first):
            return kind
    if ending in (".npz", ".npy") and not is_pickle(start):  # which are found under these names, too
        raise FormatError(f"{path} does not begin as numpy's files do; it is empty, damaged or of another kind")
    if ending not in READERS and looks_like_csv(path):
        return ".csv"
    return ending or "none"


def _of_ours(path: Path, head: Head, *, fps: float | tuple[int, int] | None = None) -> Track:
    track = load_track(path)
    if track.head_id != head.arrays.id:
        raise FormatError(
            f"{path} is a track of head {track.head_id!r}, not {head.arrays.id!r}; load that head, or carry it over "
            "with emberface.transfer"
        )
    check_made_on(track, head)
    return track if fps is None else at_rate(track, rational(fps), str(path))
