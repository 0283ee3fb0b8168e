"""A photo to a head: `python examples/02_photo_to_head.py`. The picture: docs/images/photo_to_head.png"""

import argparse

import numpy as np

import emberface
from assets import asset_path
from flame_tools import load_head
from render.camera import portrait_camera
from render.image import read_image, write_png
from render.performance import comparison
from render.preview import draw, side_by_side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", default=asset_path("astronaut"))
    parser.add_argument("-o", "--output", default="docs/images/photo_to_head.png")
    parser.add_argument("--size", type=int, default=420, help="pixels")
    options = parser.parse_args()
    head = load_head()
    photo = read_image(options.photo)

    person = emberface.recon(photo, head=head)
    quality = person.provenance["quality"]
    print(f"landmark error: {100 * quality['nme_468']:.1f} % of the distance between the eyes")

    # photo, fitted head and overlay through the photo's own camera; then the same person at rest, from the side
    fitted = comparison(photo, person, head, height=options.size)
    rest = head.bake(person.params.shape).v_template.detach()
    camera = portrait_camera((options.size * 4 // 5, options.size), rest, yaw_deg=35)
    aside = draw(head, rest, camera, albedo=person.appearance.albedo)
    write_png(options.output, side_by_side([fitted, np.asarray(aside)]))


if __name__ == "__main__":
    main()
