"""Refine a head by rendering it: `python examples/04_refine_by_rendering.py`. The picture: docs/images/refined.png"""

import argparse

import numpy as np
import torch
from PIL import Image

import emberface
from assets import asset_path
from flame_tools import load_head
from render.camera import at_frame, cut, project
from render.heat import heat_colours
from render.image import read_image, write_png
from render.layers import draw_layers
from render.lighting import sh_light
from render.materials import srgb_to_linear
from render.preview import contact_sheet

# what moves, and how far in a step: SD, weight, radians, metres, light, linear colour
RATES = dict(shape=0.02, expression=0.006, global_rotation=0.001, translation=3e-4, light=0.02, texture=0.003)
POSE = list(RATES)[:4]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", default=asset_path("astronaut"))
    parser.add_argument("-o", "--output", default="docs/images/refined.png")
    parser.add_argument("--size", type=int, default=320, help="pixels")
    options = parser.parse_args()
    head, photo, size = load_head(), read_image(options.photo), [options.size] * 2
    track, regions = emberface.recon(photo, head=head), head.arrays.regions
    camera, posed = at_frame(track.camera, 0), head(track.params.frame(0))
    face = project(posed.vertices, camera)[regions["face"], :2].detach().numpy()
    side = round(1.3 * float(np.ptp(face, axis=0).max()))
    left, top = np.rint(face.mean(0) - side / 2).astype(int).tolist()  # from here on the photo cut to the face
    camera, box = cut(camera, (left, top, side, side), size), (left, top, left + side, top + side)
    sheet, errors = [np.asarray(Image.fromarray(photo).crop(box).resize(size))], []
    mesh = {name: torch.from_numpy(getattr(head.arrays, name)) for name in ("faces", "uv", "uv_faces")}
    trusted = torch.zeros(len(head.v_template), 1)  # what a matte light explains: skin, below a fringe of hair
    trusted[np.setdiff1d(regions["face"], regions["eyes"])] = 1
    trusted[head.v_template[:, 1] > head.v_template[regions["brow"], 1].max()] = 0
    start = {name: getattr(track.params, name) for name in POSE}
    start["light"] = 3.5 * torch.eye(9)[:, :1].repeat(1, 3)  # even
    start["texture"] = torch.from_numpy(srgb_to_linear(track.appearance.albedo[::4, ::4] / 255)).float()[None]
    now = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimizer = torch.optim.Adam([{"params": [value], "lr": RATES[name]} for name, value in now.items()])
    for step in range(101):
        layers = draw_layers(head(track.params.replace(**{k: now[k] for k in POSE})).vertices, camera=camera, **mesh)
        image = layers.smooth(layers.albedo(now["texture"]) * sh_light(layers.normals, now["light"]))
        image = image.clamp(min=1e-3) ** (1 / 2.2)  # nearly sRGB
        error = (image - torch.from_numpy(sheet[0] / 255)).abs().mean(-1) * layers.attribute(trusted)[..., 0]
        errors.append(100 * float(error.detach().sum() / (error > 0).sum()))
        if step in (0, 100):
            sheet += [(image[0].detach().clamp(max=1) * 255).byte().numpy(), heat_colours(error[0].detach(), 0.2)]
        drift = sum(((now[name] - value) / RATES[name]).square().mean() for name, value in start.items())
        (3 * error.clamp(max=0.18).mean() + 1e-5 * drift).backward()  # hair and backdrop differ too much to pull
        optimizer.step()
        optimizer.zero_grad()
    print(f"colour error of the face: {errors[0]:.1f} % before, {errors[-1]:.1f} % after")
    write_png(options.output, contact_sheet(sheet, 5, ["photo", "before", "error", "after", "error"]))


if __name__ == "__main__":
    main()
