"""Meet the default head: `python examples/01_meet_the_head.py`. The picture: docs/images/meet_the_head.png"""

import argparse

import torch

from flame_tools.arkit import ARKIT_NAMES, to_params
from flame_tools.identity import ANCESTRIES, random_cast
from flame_tools.load import load_head
from flame_tools.types import FaceParams
from render.camera import portrait_camera
from render.image import write_png
from render.preview import contact_sheet, draw

# ARKit weights; a name without its side means both
EXPRESSIONS = """
smile: mouthSmile .8 cheekSquint .4 | laugh: jawOpen .4 mouthSmile 1 cheekSquint .7 eyeSquint .4 | puff: cheekPuff 1
sad: mouthFrown .7 browInnerUp .8   | anger: browDown 1 noseSneer .5 mouthPress .6 eyeSquint .3  | blink: eyeBlink 1
fear: eyeWide 1 browInnerUp 1 mouthStretch .6 jawOpen .2 | disgust: noseSneer 1 mouthUpperUp .5 browDown .4
surprise: jawOpen .5 eyeWide 1 browInnerUp .9 browOuterUp .9 | contempt: mouthSmileLeft .6 mouthDimpleLeft .6
wink: eyeBlinkLeft 1 mouthSmileLeft .5 | look aside: eyeLookOutLeft .8 eyeLookInRight .8 | look down: eyeLookDown .8
jaw: jawOpen 1 | jaw left: jawLeft 1 | pucker: mouthPucker 1 | funnel: mouthFunnel 1 | tongue: jawOpen .5 tongueOut 1
lips in: mouthRollLower .8 mouthRollUpper .8 | teeth: mouthUpperUp .8 mouthLowerDown .8"""
COMPLEXIONS = ((128, 90, 68), (216, 174, 148), (218, 176, 154))  # sRGB, in the order of ANCESTRIES


def weights(recipe: str) -> torch.Tensor:  # [52]
    found, words = torch.zeros(len(ARKIT_NAMES)), recipe.split()
    for name, value in zip(words[::2], words[1::2], strict=True):
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in ARKIT_NAMES:
                found[ARKIT_NAMES.index(full)] = float(value)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", default="docs/images/meet_the_head.png")
    parser.add_argument("--size", type=int, default=260)
    options = parser.parse_args()
    head = load_head()
    rest, size = FaceParams.neutral(head), (options.size,) * 2
    front, turned, side = (portrait_camera(size, head.v_template, yaw_deg=yaw) for yaw in (0, 40, 90))
    close = portrait_camera(size, head.v_template[head.region("face")], fill=0.8)
    pictures = [draw(head, head.v_template, view) for view in (front, turned, side)]
    pictures += [draw(head, head.v_template, front, wireframe=True)]
    cast = random_cast(head, 6, seed=1)
    for shape, skin in zip(cast.shapes, cast.ancestry @ COMPLEXIONS, strict=True):
        pictures.append(draw(head, head.vertices(rest.replace(shape=shape)), front, skin=tuple(skin)))
    people = [f"{a:.0f}, {ANCESTRIES[i]}" for a, i in zip(cast.age_years, cast.ancestry.argmax(1), strict=True)]
    labels = ["front", "3/4", "side", "mesh", *people]
    for line in EXPRESSIONS.replace("\n", "|").strip("|").split("|"):
        labels += [line.split(":")[0].strip()]
        pictures += [draw(head, head.vertices(to_params(weights(line.split(":")[1]), head)), close)]
    write_png(options.output, contact_sheet(pictures, columns=6, labels=labels))


if __name__ == "__main__":
    main()
