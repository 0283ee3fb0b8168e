"""USD: a skinned mesh with blend shapes, and the performance as one SkelAnimation, written by OpenUSD itself.

`.usdc` is binary, `.usda` text, `.usd` binary under the general name; `.usdz` packs the layer with its texture and its
sound. Metres, y up, +z forward, as ours, unless options say else.
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
from pathlib import Path

from flame_tools.errors import AssetError, InputError
from flame_tools.export.beside import written_together
from flame_tools.export.looks import texture_png
from flame_tools.export.options import DEFAULT, Options
from flame_tools.export.sound import write_wav
from flame_tools.export.usd_package import write_package
from flame_tools.head import Head
from flame_tools.types import Track

_ENDINGS = (".usdc", ".usda", ".usd", ".usdz")


def write_usd(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write `track` on `head` as USD of the kind that the ending of `path` asks for, with any of the options.

    One mesh in the head's own order of vertices, a blend shape for each target of the rig (`rig.py`), five joints, an
    animation sampled at the track's own times. A track of one frame leaves as a still. The track's albedo and sound
    stand inside a .usdz; the other kinds refer to them beside the file, as NAME.usdc.png and NAME.usdc.wav. The
    licences stand in the layer's documentation and in its customLayerData.

    Raises AssetError where usd-core is not installed, InputError where the name does not end as USD's do or holds
    control characters, ShapeError where the track does not fit the head or its albedo is no picture, OutputError where
    `path` cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise InputError(f"{path} does not end as a USD file does; choose one of {', '.join(_ENDINGS)}")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path.name):
        raise InputError(f"OpenUSD opens no file of the name {path.name!r}; choose one without control characters")
    need_openusd()
    with written_together(path) as folder:
        if ending != ".usdz":
            _write_scene(track, head, options, folder, path.name, f"{path.name}.png", f"{path.name}.wav")
            return
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            # one binary layer at the front: all that Apple's readers take
            files = _write_scene(track, head, options, Path(inside), "head.usdc", "albedo.png", "voice.wav")
            write_package(folder / path.name, files)


def _write_scene(
    track: Track, head: Head, options: Options, folder: Path, layer: str, texture: str, voice: str
) -> list[Path]:
    """Write the layer, and the texture and the voice where the track has them. Returns what was written, in order."""
    from flame_tools.export.usd_scene import write_layer

    picture = texture_png(track, head.arrays)
    texture = None if picture is None else texture
    voice = None if track.audio is None or not len(track.audio) else voice
    plain = folder / f"layer{Path(layer).suffix.lower()}"  # OpenUSD takes fewer names than a disk does
    write_layer(track, head, options, plain, texture=_beside(texture), voice=_beside(voice))
    files = [plain.rename(folder / layer)]
    if texture is not None:
        files.append(folder / texture)
        files[-1].write_bytes(picture)
    if voice is not None:
        files.append(folder / voice)
        write_wav(track, files[-1])
    return files


def _beside(name: str | None) -> str | None:
    """How a layer refers to the file `name` beside it, wherever both are moved."""
    return None if name is None else f"./{name}"


def need_openusd() -> None:
    """Raises AssetError where usd-core is not installed."""
    try:
        import pxr.UsdSkel  # noqa: F401
    except ImportError as error:
        raise AssetError(f"USD export needs usd-core: pip install 'emberface[usd]' ({error})") from error
