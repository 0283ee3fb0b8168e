"""The pictures of docs/programs.md: one performance in Blender and in three.js, at an M, an AY and an UH.

python tools/programs/pictures.py [-o docs/images]
    [--bpy .venv/bpy/bin/python] [--three .venv/node/node_modules/three] [--track talk.face.npz]

Needs what tools/install_test_programs.sh brings: bpy, three.js and Chromium.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import emberface
from assets.locate import asset_path
from flame_tools import Track
from tests.interchange.chromium import browser
from tests.interchange.three_page import SEEKABLE, page_text, seek, served

ROOT = Path(__file__).resolve().parents[2]
SOUNDS = ("M", "AY", "UH")
SIZE = 400  # pixels, of each picture


def talk() -> Track:
    """The bundled voice on the head of the bundled photo."""
    person = emberface.recon(asset_path("astronaut"))
    return emberface.animate(asset_path("voice"), text=asset_path("voice_text").read_text().strip(), identity=person)


def frames_of(track: Track) -> list[int]:
    """The frame in the middle of the first of each sound."""
    phones = track.intervals["phones"]
    at = [phones.names.index(sound) for sound in SOUNDS]
    return [round(15 * float(phones.start_s[i] + phones.end_s[i])) for i in at]  # half the sum, at 30 a second


def in_blender(folder: Path, frames: list[int], bpy: Path) -> list[Image.Image]:
    script = Path(__file__).with_name("blender.py")
    subprocess.run([bpy, script, "--", folder / "talk.fbx", "30", folder, *map(str, frames)], check=True)
    return [Image.open(folder / f"{frame}.png").convert("RGB") for frame in frames]


def in_three(folder: Path, frames: list[int], three: Path) -> list[Image.Image]:
    page = page_text().replace(" controls>", ">")
    pictures = []
    with browser() as tab, served(folder, page, three) as address:
        tab.size(SIZE, SIZE)
        tab.open(address)
        tab.run(SEEKABLE)
        for frame in frames:
            tab.run(seek(frame / 30))
            pictures.append(Image.open(io.BytesIO(tab.png())).convert("RGB"))
    return pictures


def save(pictures: list[Image.Image], path: Path) -> None:
    row = Image.new("RGB", (SIZE * len(pictures), SIZE))
    for i, picture in enumerate(pictures):
        row.paste(picture, (SIZE * i, 0))
    row.save(path, quality=82, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--bpy", type=Path, default=ROOT / ".venv" / "bpy" / "bin" / "python")
    parser.add_argument("--three", type=Path, default=ROOT / ".venv" / "node" / "node_modules" / "three")
    parser.add_argument("--track", type=Path, help="A NAME.face.npz of 30 frames a second, with phones and sound.")
    asked = parser.parse_args()
    track = emberface.load(asked.track) if asked.track else talk()
    frames = frames_of(track)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("fbx", "glb", "wav"):
            emberface.export(track, folder / f"talk.{kind}")
        save(in_three(folder, frames, asked.three), asked.output / "three.webp")
        save(in_blender(folder, frames, asked.bpy), asked.output / "blender.webp")


if __name__ == "__main__":
    main()
