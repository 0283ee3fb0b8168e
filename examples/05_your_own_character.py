"""A character from another program: `python examples/05_your_own_character.py [HERO.glb]`

A .glb, .gltf or .fbx with ARKit's shape names becomes a head. Without a file one is made: someone leaves as GLB and
comes back a stranger. The picture: docs/images/your_own_character.png"""

import argparse
import tempfile
from pathlib import Path

import torch

from flame_tools.arkit import ARKIT_NAMES, to_params
from flame_tools.export import write_glb
from flame_tools.identity import random_cast
from flame_tools.load import load_head
from flame_tools.posing import still
from render.camera import portrait_camera
from render.image import write_png
from render.preview import contact_sheet, draw

EXPRESSIONS = {
    "rest": {},
    "smile": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4},
    "jaw": {"jawOpen": 0.9},
    "pucker": {"mouthPucker": 1.0},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "look": {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8, "browOuterUpRight": 0.7},
}


def made(folder: str) -> Path:
    """A file as another program would export it."""
    head = load_head()
    someone = random_cast(head, 1, seed=12, age=45, sex="female", ancestry="african").shapes[0]
    write_glb(still(head, someone), head, Path(folder) / "hero.glb")
    return Path(folder) / "hero.glb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("character", nargs="?")
    parser.add_argument("-o", "--output", default="docs/images/your_own_character.png")
    parser.add_argument("--size", type=int, default=260)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        head = load_head(options.character or made(folder))
    print(f"{head}; missing: {', '.join(head.arrays.provenance['missing']) or 'nothing'}")
    weights = torch.zeros(len(EXPRESSIONS), len(ARKIT_NAMES))
    for row, recipe in zip(weights, EXPRESSIONS.values(), strict=True):
        for name, weight in recipe.items():
            row[ARKIT_NAMES.index(name)] = weight
    view = portrait_camera((options.size,) * 2, head.v_template[head.region("face")], yaw_deg=15, fill=0.72)
    pictures = [draw(head, vertices, view) for vertices in head.vertices(to_params(weights, head))]
    write_png(options.output, contact_sheet(pictures, columns=6, labels=list(EXPRESSIONS)))


if __name__ == "__main__":
    main()
