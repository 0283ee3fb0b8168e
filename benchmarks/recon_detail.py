"""The folds that recon-detail reads, on made faces that it has not learnt from, beside no detail at all.

    python benchmarks/recon_detail.py --faces 100 --pictures 8

Faces are made on the sheet (recon.synthetic.folded_faces) by a seed of their own; what is not seen, or not well, is
left out. Keys, in JSON on the last line:

- `deg`, `flat_deg`: the mean angle between the true normals and those of the folds that are told, and of none;
  `deg_X`, `flat_deg_X` where the true slope is from X (a tangent) to the next.
- `mm`, `flat_mm`: the mean error of heights where the slope is 0.05 or more; `correlation` of heights there.
- `rest_deg`, `rest_flat_deg`: of what stays without the expression, likewise.
- `false_skin`, `false_hair`: on smooth faces, the share of bare skin, and of what is under brows, beards, hair or
  frames, that is told to slope by more than 0.05; `false_mm`: the mean of the deepest fold that such a face is given.
- `coverage68`: the share of heights within the network's own 68 % interval.
- `whole_deg`, `whole_flat_deg`, `whole_deg_0.15`, ...: the same after all of `emberface.recon` on pictures that are
  drawn of such faces, their fit being what it is.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import emberface  # noqa: E402
from flame_tools.arkit import to_params  # noqa: E402
from flame_tools.errors import FaceError  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.surface.relief import slopes_of  # noqa: E402
from recon.detail.network import load_detail  # noqa: E402
from recon.detail.sheet import COLUMNS, LEFT, ROWS, TOP, sheet_of, strain, surface_of  # noqa: E402
from recon.detail.shown import channels  # noqa: E402
from recon.synthetic.folded_faces import FoldedFaces  # noqa: E402
from recon.synthetic.people import look_of_person, random_person  # noqa: E402
from recon.synthetic.random_expressions import random_weights  # noqa: E402
from recon.synthetic.scenes import random_lights  # noqa: E402
from recon.synthetic.wrinkles import random_relief  # noqa: E402
from recon.train.detail import DEEP, HELD_OUT_SEED, Slopes  # noqa: E402
from render.camera import portrait_camera  # noqa: E402
from render.preview import draw  # noqa: E402

SLOPE = 0.05  # a tangent: from here on a fold is one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--weights", type=Path, help="a file of `emberface train detail`; the bundled one by default")
    parser.add_argument("--sheet", type=Path, help="a PNG: made faces, their true heights and those told")
    options = parser.parse_args()
    torch.set_num_threads(1)
    head, net = load_head(), load_detail(options.weights)
    figures = on_the_sheet(head, net, options.faces, options.sheet) | whole(head, options.pictures)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


@torch.no_grad()
def on_the_sheet(head, net, count: int, drawn: Path | None) -> dict:
    faces, sheet, slopes = FoldedFaces(head, HELD_OUT_SEED), sheet_of(head.arrays), Slopes(head)
    rows, false, panels = [], [], []
    for number in range(count):
        for smooth in (False, True):
            face = faces.face(number, smooth=smooth)
            found = net(torch.from_numpy(channels(face.shown, sheet))[None])
            keep = ((sheet.area > 0.5) & (face.shown.seen > 0.5))[1:-1, 1:-1]
            true, told = (torch.as_tensor(h).float().reshape(1, ROWS, COLUMNS) for h in (face.height, found.shown))
            still, rest = (torch.as_tensor(h).float().reshape(1, ROWS, COLUMNS) for h in (face.rest, found.rest))
            if smooth:
                steep = lengths(slopes(told))[keep] > SLOPE
                bare = face.cover[1:-1, 1:-1][keep] < 0.2
                hidden = face.cover[1:-1, 1:-1][keep] > 0.5
                deep = np.abs(told[0].numpy() * (sheet.area > 0.5)).max()
                false.append((steep[bare].sum(), bare.sum(), steep[hidden].sum(), hidden.sum(), deep))
                continue
            columns = (
                lengths(slopes(true)), lengths(slopes(told) - slopes(true)), true[0, 1:-1, 1:-1].numpy(),
                told[0, 1:-1, 1:-1].numpy(), np.exp(0.5 * found.logvar[0, 1:-1, 1:-1].numpy()),
                lengths(slopes(still)), lengths(slopes(rest) - slopes(still)),
            )  # fmt: skip
            rows.append(np.stack([c[keep] for c in columns]))
            panels.append(panel(face, told[0].numpy() * sheet.area))
    if drawn is not None:
        from PIL import Image

        Image.fromarray(np.concatenate(panels[:6])).save(drawn)
    steep, off, true, told, sd, still, rest = np.concatenate(rows, 1)
    folded, false = steep >= SLOPE, np.array(false)
    return {
        **by_depth("", steep, off),
        "mm": np.abs(told - true)[folded].mean(),
        "flat_mm": np.abs(true[folded]).mean(),
        "correlation": np.corrcoef(told[folded], true[folded])[0, 1],
        "rest_deg": degrees(rest),
        "rest_flat_deg": degrees(still),
        "false_skin": false[:, 0].sum() / false[:, 1].sum(),
        "false_hair": false[:, 2].sum() / max(false[:, 3].sum(), 1),
        "false_mm": false[:, 4].mean(),
        "coverage68": (np.abs(told - true) <= 0.99446 * sd).mean(),
    }


def whole(head, count: int) -> dict:
    """Pictures are drawn of folded people, and reconstructed as anybody's would be."""
    sheet, slopes, rows = sheet_of(head.arrays), Slopes(head), []
    part = (slice(TOP, TOP + ROWS), slice(LEFT, LEFT + COLUMNS))
    for number in range(count):
        rng = np.random.default_rng((HELD_OUT_SEED, 3, number))
        person = random_person(head.arrays, rng)
        weights = torch.as_tensor(np.stack([np.zeros(52), random_weights(rng)])).to(head.v_template)
        shape = torch.as_tensor(person.shape).to(head.v_template).expand(2, -1)
        with torch.no_grad():
            rest, posed = head.vertices(to_params(weights, head).replace(shape=shape)).numpy().astype(np.float64)
        pulled = strain(*(surface_of(sheet, v, head.arrays.faces) for v in (rest, posed)))
        true = random_relief(head.arrays, pulled, rng.uniform(0.3, 1.2), rng).shown * sheet.area
        relief = slopes_of(sheet.in_atlas(0.001 * true), head.arrays, rest)
        camera = portrait_camera((640, 640), posed, yaw_deg=float(rng.uniform(-25, 25)))
        image = draw(
            look_of_person(head.arrays, person), posed, camera, skin=person.complexion, slopes=relief,
            lights=random_lights(rng),
        )  # fmt: skip
        try:
            found = emberface.recon(image, head=head, detail=True)
        except FaceError:
            continue
        told = 1000 * found.appearance.detail[part]
        a, b = (slopes(torch.from_numpy(h.astype(np.float32))[None]) for h in (true, told))
        keep = (sheet.area > 0.5)[1:-1, 1:-1]
        rows.append(np.stack([lengths(a)[keep], lengths(b - a)[keep]]))
    return by_depth("whole_", *np.concatenate(rows, 1)) if rows else {}


def by_depth(name: str, steep: np.ndarray, off: np.ndarray) -> dict:
    figures = {f"{name}deg": degrees(off), f"{name}flat_deg": degrees(steep)}
    for low, top in zip(DEEP, (*DEEP[1:], np.inf), strict=True):
        some = (steep >= low) & (steep < top)
        if some.any():
            figures |= {f"{name}deg_{low:g}": degrees(off[some]), f"{name}flat_deg_{low:g}": degrees(steep[some])}
    return figures


def panel(face, told: np.ndarray) -> np.ndarray:
    """uint8 [ROWS, 3 COLUMNS, 3]: what is shown, the true heights, those told."""
    from render.materials import linear_to_srgb

    maps = [np.repeat((128 + 150 * height)[..., None], 3, -1) for height in (face.height, told)]
    picture = 255 * linear_to_srgb(np.clip(face.shown.colours, 0, 1))
    return np.clip(np.concatenate([picture, *maps], 1), 0, 255).astype(np.uint8)


def lengths(vectors: torch.Tensor) -> np.ndarray:
    return vectors[0].square().sum(0).sqrt().numpy()


def degrees(tangents: np.ndarray) -> float:
    return float(np.rad2deg(np.arctan(tangents)).mean())


if __name__ == "__main__":
    main()
