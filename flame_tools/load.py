"""Heads by name, and heads put together from the files that they are published in."""

from __future__ import annotations

import dataclasses
import mmap
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from assets.locate import asset_path, heads_folder
from flame_tools.archive import member_names
from flame_tools.characters.ict import read_ict
from flame_tools.characters.ict_files import is_ict
from flame_tools.errors import FormatError, InputError, writing_to
from flame_tools.files.derived import complete
from flame_tools.files.flame import read_flame
from flame_tools.files.parts import add_part
from flame_tools.head import Head
from flame_tools.head_file import read_head, save_head
from flame_tools.types import HeadArrays, Track

PARTS = {  # what the files of parts are published as, and what they bring
    "landmark_embedding.npy": "landmarks 51 and 68, contour",
    "flame_static_embedding.pkl": "landmarks 51",
    "flame_dynamic_embedding.npy": "contour",
    "landmark_embedding_with_eyes.npy": "landmarks 51 and 68, contour",
    "mediapipe_landmark_embedding.npz": "landmarks 105",
    "FLAME_masks.pkl": "regions",
    "head_template.obj": "UV",
    "head_template_mesh.obj": "UV",
    "l_eyelid.npy": "left eyelid",
    "r_eyelid.npy": "right eyelid",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TAKEN = re.compile(r"(default|con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # ours, and what Windows keeps


def load_head(
    name: str | os.PathLike = "default",
    *,
    dtype: torch.dtype = torch.float32,
    convention: str = "emberface",  # whose landmark order and yaw sign: see flame_tools.conventions
) -> Head:
    """A Head by name ("default", or one that `register_head` wrote), or from what `read_files` takes."""
    return Head(head_arrays(name), dtype=dtype, convention=convention)


def head_arrays(name: str | os.PathLike = "default") -> HeadArrays:
    """The arrays of `load_head`."""
    name = os.fspath(name)
    if name == "default":
        return read_head(asset_path("head"))
    if name in (registered := registered_heads()):
        return dataclasses.replace(read_head(registered[name]), id=name)
    path = Path(name).expanduser()
    if not path.exists():
        known = ", ".join(["default", *registered])
        raise InputError(
            f"no head and no file is called {name!r}; heads are {known}; emberface head add FILE registers one"
        )
    return read_files([path])


def head_of(track: Track) -> Head:
    """The head that a track was made on: the default one, or one that is registered. A track names no files."""
    if track.head_id not in ("default", *registered_heads()):
        raise InputError(
            f"the track was made on head {track.head_id!r}, which is not registered: "
            f"emberface head add FILE --name {track.head_id}, or say where it is with --head FILE"
        )
    return load_head(track.head_id)


# --- registered heads -------------------------------------------------------------------------------------------------


def registered_heads() -> dict[str, Path]:
    """Names and files of the heads that the user has registered, sorted."""
    files = sorted(heads_folder().glob("*.npz"))
    return {file.stem: file for file in files if _NAME.fullmatch(file.stem) and not _TAKEN.fullmatch(file.stem)}


def register_head(arrays: HeadArrays, name: str | None = None, *, replace: bool = False) -> Path:
    """Keep a head under `name` (its own id where None), by which `load_head` and tracks find it. Returns its file.

    Raises InputError for a name that cannot be a file's everywhere, and for one that is taken unless `replace`.
    """
    name = arrays.id if name is None else name
    file = registered_place(name, replace=replace)
    with writing_to(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
    save_head(dataclasses.replace(arrays, id=name), file)
    return file


def registered_place(name: str, *, replace: bool = False) -> Path:
    """Where `register_head` keeps a head of this name. Raises InputError as it does."""
    file = heads_folder() / f"{checked_name(name)}.npz"
    if file.exists() and not replace:
        raise InputError(f"a head called {name!r} is registered ({file}); give another name, or --replace it")
    return file


def checked_name(name: str) -> str:
    """`name` where a head may have it."""
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name) or name.lower().endswith(".npz"):
        raise InputError(
            f"a head cannot be called {name!r}; wanted letters, digits, dots, dashes and underscores, no .npz at the "
            "end, and neither 'default' nor a name that Windows keeps for itself: --name NAME"
        )
    return name


# --- from files -------------------------------------------------------------------------------------------------------


def read_files(
    paths: Sequence[str | os.PathLike],
    *,
    name: str | None = None,
    licence: str | None = None,
    identity: int | None = None,  # of a FLAME file cut by hand: how many of its directions are identity
) -> HeadArrays:
    """One head from a model and any files of its parts, or from a folder that holds them by their published names.

    A model is a file that `save_head` wrote, a published FLAME `.pkl` or `.npz`, ICT-FaceKit, or a GLB, glTF or FBX
    character with ARKit-named shapes. `licence` is what the user knows better than the file. Raises FormatError or
    InputError where a file is something else, and where there is not exactly one model.
    """
    models: list[Path] = []
    parts: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"there is no file {path}; check the name")
        if path.is_dir() and not is_ict(path):
            inside = [file for file in sorted([*path.glob("*"), *path.glob("*/*")]) if file.is_file()]
            parts += [file for file in inside if file.name in PARTS]
            if len(paths) == 1:
                models += [file for file in inside if file.name not in PARTS and _reader_of(file)]
        else:
            (models if _reader_of(path) else parts).append(path)
    if not models and len(paths) == len(parts) == 1:
        if not parts[0].exists() or parts[0].suffix.lower() not in (".npz", ".pkl"):
            raise FormatError(
                f"{parts[0]} is not a readable head; wanted an .npz, a FLAME .pkl, a character's .glb, .gltf or .fbx, "
                "or a folder that holds one"
            )
        models, parts = parts, []  # its reader says what it lacks
    if len(models) != 1:
        found = ", ".join(str(model) for model in models) or f"none in {', '.join(str(path) for path in paths)}"
        raise InputError(f"one model makes a head; found {found}: name one, then its parts or the folder they are in")
    read = _reader_of(models[0]) or _read_flame
    head = read(models[0], licence, identity)
    for part in parts:
        head = add_part(head, part)
    head = complete(head)
    return dataclasses.replace(head, id=name or head.id, licence=licence or head.licence)


def _reader_of(path: Path) -> Callable[[Path, str | None, int | None], HeadArrays] | None:
    """What reads the model in `path`; None where there is none to read."""
    names = member_names(path)
    if "header.npy" in names:
        return lambda file, *_: read_head(file)
    if is_ict(path):
        return _read_ict
    if path.suffix.lower() in (".glb", ".gltf", ".fbx"):
        return _read_character
    return _read_flame if "v_template.npy" in names or _mentions(path, b"v_template") else None


def _mentions(path: Path, word: bytes) -> bool:
    """Whether a pickle has `word` in it, as all models have the name of their template."""
    if path.suffix.lower() != ".pkl" or not path.is_file() or not path.stat().st_size:
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(word) >= 0


def _read_flame(path: Path, licence: str | None, identity: int | None) -> HeadArrays:
    return read_flame(path, licence=licence, identity=identity)


def _read_ict(path: Path, *_: object) -> HeadArrays:
    from flame_tools.characters.landmarks import with_dense_landmarks

    return with_dense_landmarks(read_ict(path), head_arrays("default"))


def _read_character(path: Path, *_: object) -> HeadArrays:
    from flame_tools.characters.character import read_character
    from flame_tools.characters.landmarks import with_landmarks

    return with_landmarks(read_character(path), head_arrays("default"))
