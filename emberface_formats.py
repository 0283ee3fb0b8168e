"""The kinds of file that a track leaves as: which a name asks for, and what each lets one choose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flame_tools.errors import InputError

if TYPE_CHECKING:
    from flame_tools.export import Options

DOUBLE_ENDINGS = (
    ".face.npz", ".emotion.csv", ".curves.csv", ".curves.json", ".vrm.json", ".visemes.json", ".visemes.srt",
    ".words.srt", ".smplx.npz", ".smplx.pkl", ".emote.npz", ".emote.pkl", ".height.png",
)  # fmt: skip
DRAWN = (".mp4", ".png", ".webp", ".gif", ".html")
FORMATS = {
    ".face.npz": "the track itself, to come back to",
    ".glb": "glTF: mesh, 52 named shapes, skin, animation",
    ".fbx": "the same for Maya, Unreal and Unity",
    ".usdz": "the same as USD, with texture and sound inside",
    ".usdc": "the same, with both beside it",
    ".usda": "the same as text",
    ".usd": "the same as .usdc",
    ".csv": "Live Link Face: the 52 weights, head and eye angles",
    ".curves.csv": "a curve table for Unreal, the same columns as rows",
    ".curves.json": "the same as JSON",
    ".vrm.json": "expressions for VRM and Unity avatars",
    ".vmd": "morphs and turns for MikuMikuDance",
    ".visemes.json": "what is said, as visemes with times",
    ".visemes.srt": "the same as subtitles",
    ".words.srt": "the words as subtitles",
    ".smplx.npz": "FLAME's parameters as smplx names them, of tracks on FLAME heads",
    ".smplx.pkl": "the same as a pickle",
    ".emote.npz": "the same as EMOTE names them",
    ".emote.pkl": "the same as a pickle",
    ".mdd": "a vertex cache: every vertex of every frame",
    ".pc2": "the same for 3ds Max",
    ".abc": "the same as Alembic, through Blender or bpy where it is installed",
    ".ply": "the mesh of a single frame",
    ".stl": "the same for printers, in mm",
    ".height.png": "the folds of a face as heights in 16 bits, of tracks made with --detail",
    ".emotion.csv": "the emotion over time, to edit and to give back to animate",
    ".TextGrid": "words and phones with their times for Praat, to correct and to give back to animate",
    ".wav": "the voice",
    ".mp4": "a film with sound",
    ".html": "a page to play it, turn it and move its sliders, that needs no network",
    ".png": "a picture of the first frame",
    ".webp": "a loop without sound, for pages",
    ".gif": "the same in 256 colours",
    "": "a folder with one OBJ a frame",
}


def kind_of(path: str | os.PathLike) -> str:
    """The entry of FORMATS that a file's name asks for."""
    path = Path(path)
    for double in DOUBLE_ENDINGS:
        if path.name.lower().endswith(double):
            return double
    if names_folder(path):
        return ""
    if (kind := {ending.lower(): ending for ending in FORMATS}.get(path.suffix.lower())) is not None:
        return kind
    if path.suffix.lower() == ".obj":
        raise InputError(f"{path}: a track leaves as a folder with one OBJ a frame; give a name without .obj")
    raise InputError(
        f"{path}: no writer for {path.suffix!r}; there are: {', '.join(k for k in FORMATS if k)}; and NAME_obj for a "
        "folder with one OBJ a frame"
    )


def names_folder(path: str | os.PathLike) -> bool:
    """Whether a name asks for a folder of OBJ files: one without an ending, or NAME_obj."""
    return Path(path).suffix == "" or Path(path).name.endswith("_obj")


def options_for(path: str | os.PathLike, options: Options | None) -> dict:
    """`options` for the writer of the kind of file that `path` names, or nothing where none was given.

    Raises InputError where that kind does not take one of them.
    """
    if options is None:
        return {}
    from flame_tools.export import TAKES, Options

    if not isinstance(options, Options):
        raise InputError(f"options are {type(options).__name__}; wanted flame_tools.export.Options(...)")
    kind = kind_of(path)
    strange = options.asked() - TAKES.get(kind, set())
    if strange:
        takers = [k or "a folder" for k, takes in TAKES.items() if strange <= takes]
        raise InputError(
            f"{path}: this format has no choice of {', '.join(sorted(strange))}; "
            + (f"these have: {', '.join(takers)}" if takers else "no format has all of these")
        )
    return {"options": options} if kind in TAKES else {}
