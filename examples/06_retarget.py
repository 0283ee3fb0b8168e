"""A performance for another head: `python examples/06_retarget.py`, or `... --to flame.pkl`, `--to character.glb`.
The picture: docs/images/retarget.png"""

import argparse
import dataclasses

import numpy as np

import emberface
from assets import asset_path
from flame_tools import Head, load_head
from flame_tools.arkit import from_params
from flame_tools.facs import from_arkit
from flame_tools.posing import posed_frames
from flame_tools.surface.lod import simplify
from render.camera import portrait_camera
from render.image import write_png
from render.preview import contact_sheet, draw


def stranger(head: Head) -> Head:
    """Another build, a third of the triangles, and components that mean nothing one by one: as a learned head has."""
    arrays = simplify(head.arrays, ratio=0.33)
    build = np.float32([[1.12], [0.9], [1.05]])  # wider, shorter, deeper
    mix, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(arrays.expressiondirs.shape[-1],) * 2))
    n = len(mix)
    names, bounds = tuple(f"component{i}" for i in range(n)), np.tile(np.float32([-3, 3]), (n, 1))
    moved = {"v_template": arrays.v_template * build[:, 0], "expressiondirs": arrays.expressiondirs * build @ mix}
    moved |= {name: getattr(arrays, name) * build for name in ("shapedirs", "posedirs", "eyelid_dirs")}
    return Head(dataclasses.replace(arrays, **moved, expression_names=names, expression_bounds=bounds, id="stranger"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", help="a head by name or file; a made-up one by default")
    parser.add_argument("--emotion", default="happy:0.7")
    parser.add_argument("-o", "--output", default="docs/images/retarget.png")
    parser.add_argument("--size", type=int, default=220, help="pixels")
    options = parser.parse_args()
    head = load_head()
    other = load_head(options.to) if options.to else stranger(head)
    track = emberface.animate(
        asset_path("voice"), text=asset_path("voice_text").read_text(), emotion=options.emotion, head=head
    )

    moved = emberface.transfer(track, other)
    print(f"moved to {moved.head_id}: {moved.provenance['transfer']['residual_mm']} mm from where its face should be")
    chosen = np.linspace(0, len(track) - 1, 8).astype(int)[1:-1]
    print(f"frame {chosen[0]} in action units:", from_arkit(from_params(moved.params, other)[chosen[0]]).units(0.1))

    pictures = []
    for performance, model in ((track, head), (moved, other)):
        frames = list(posed_frames(performance, model))
        camera = portrait_camera((options.size, options.size), frames[0][model.arrays.regions["face"]], fill=0.75)
        pictures += [draw(model, frames[i], camera) for i in chosen]
    write_png(options.output, contact_sheet(pictures, columns=len(chosen)))


if __name__ == "__main__":
    main()
