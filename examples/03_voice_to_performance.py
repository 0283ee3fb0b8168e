"""A voice to a talking head: `python examples/03_voice_to_performance.py`.
The picture: docs/images/voice_to_performance.png"""

import argparse

import numpy as np

import emberface
from animate.metrics import lip_report
from assets import asset_path
from flame_tools import load_head
from flame_tools.identity import random_identities
from flame_tools.posing import posed_frames, still
from render.camera import portrait_camera
from render.image import write_png
from render.preview import contact_sheet, draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice", nargs="?", default=asset_path("voice"))
    parser.add_argument("--text", default=asset_path("voice_text").read_text())
    parser.add_argument("--emotion", default="happy:0.4")
    parser.add_argument("-o", "--output", default="docs/images/voice_to_performance.png")
    parser.add_argument("--size", type=int, default=220, help="pixels")
    options = parser.parse_args()
    head = load_head()
    somebody = still(head, random_identities(head, 1, 1, age=30, sex="female", ancestry="european")[0])

    track = emberface.animate(
        options.voice, text=options.text, emotion=options.emotion, identity=somebody, head=head, seed=1
    )
    report = lip_report(track, head, track.intervals["phones"])
    print(f"lips closed on {100 * report.bilabial_closure:.0f} % of the p, b and m")

    # one picture in the middle of each word, labelled with it
    words = track.intervals["words"]
    middle = (np.asarray(words.start_s) + np.asarray(words.end_s)) / 2
    chosen = np.searchsorted(track.time_s, middle).clip(0, len(track) - 1)
    frames = list(posed_frames(track, head))
    camera = portrait_camera((options.size, options.size), frames[0][head.region("face")], yaw_deg=8, fill=0.9)
    pictures = [draw(head, frames[i], camera) for i in chosen]
    write_png(options.output, contact_sheet(pictures, columns=5, labels=words.names))


if __name__ == "__main__":
    main()
