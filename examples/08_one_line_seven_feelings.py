"""One line said with seven feelings: `python examples/08_one_line_seven_feelings.py`.
The picture: docs/images/feelings.png"""

import argparse

import numpy as np

import emberface
from animate.emotion import EMOTIONS
from assets import asset_path
from flame_tools import load_head
from flame_tools.posing import posed_frames
from render.camera import portrait_camera
from render.image import write_png
from render.preview import contact_sheet, draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice", nargs="?", default=asset_path("voice"))
    parser.add_argument("--intensity", type=float, default=1.0)
    parser.add_argument("-o", "--output", default="docs/images/feelings.png")
    parser.add_argument("--size", type=int, default=190, help="pixels")
    options = parser.parse_args()
    head = load_head()
    camera = portrait_camera((options.size, options.size), head.arrays.v_template[head.region("face")], fill=0.75)

    pictures, labels = [], []
    for emotion in EMOTIONS[1:]:
        talk = emberface.animate(options.voice, emotion={emotion: options.intensity}, life="blinks:0", head=head)
        felt = talk.curves["emotion"].values.max(1)
        frames = list(posed_frames(talk, head))
        for i in np.linspace(0.03, 0.97, 6) * (len(talk) - 1):
            pictures.append(draw(head, frames[int(i)], camera))
            labels.append(f"{emotion} {felt[int(i)]:.2f}")
    write_png(options.output, contact_sheet(pictures, columns=6, labels=labels))


if __name__ == "__main__":
    main()
