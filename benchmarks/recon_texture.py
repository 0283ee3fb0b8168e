"""The albedo of made people, whose skin is known, from one, three and five pictures and from frames of a film.

    python benchmarks/recon_texture.py --people 6

Pictures of the bundled head with painted skins (recon.synthetic) under random lamps. Poses, expressions and cameras are
the true ones, so that nothing but the texture is measured. Keys, in JSON on the last line:

- `error_CASE`: mean absolute difference to the true albedo within the face, in percent of the sRGB range, after one
  gain for all that brings their means together; `colour_error_CASE` after one gain a channel, as nobody knows the
  lamps' colour. CASE: `1view` (from the front), `1view_side` (turned by some 25 degrees), `3views` (50 degrees to
  either side, and the front), `5views`, `frames` (twelve of one moving, talking, blinking film), `best_of_5` (of five,
  the one that shows most). `flat`: one colour for all, the true mean.
- `detail_CASE`: correlation of what is finer than some 2 mm with the truth's.
- `lids_CASE`: the colour error on the lids.
- `patch_CASE`, `patch_occluded_CASE`: the colour error where a blob of the colour of a hand covers the frontal picture,
  without the blob and with it.
- `rejected`, `rejected_wrongly`: the shares of the blob's texels, and of the other visible ones of the same picture,
  that the mask of five views rejects.
- `seconds_CASE`: of one core.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flame_tools.blas import one_blas_thread  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from recon.synthetic.expressions import EXPRESSIONS, Expression  # noqa: E402
from recon.synthetic.people import look_of_person, random_person  # noqa: E402
from recon.synthetic.pictures import picture_of  # noqa: E402
from recon.synthetic.scenes import random_views  # noqa: E402
from recon.texture.appearance import PosedView, fuse_appearance  # noqa: E402
from recon.texture.face_area import face_of  # noqa: E402
from render.camera import project  # noqa: E402
from render.materials import MATERIALS, linear_to_srgb, srgb_to_linear  # noqa: E402

SIZE = 1024
NEUTRAL = EXPRESSIONS[0]
FRONT, SIDE = 2, 3  # of the five views
SETS = {"1view": (FRONT,), "1view_side": (SIDE,), "3views": (0, FRONT, 4), "5views": (0, 1, 2, 3, 4)}
MOVES = (
    NEUTRAL,
    *(e for e in EXPRESSIONS if e.name in ("smile", "speaking", "kiss")),
    Expression("blink", "ordinary", {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--sheet", type=Path, help="a PNG of true and found albedos")
    options = parser.parse_args()
    bench = Benchmark()
    with one_blas_thread():
        for seed in range(options.people):
            bench.person(seed)
            print(f"{seed + 1} people:", json.dumps(bench.figures()), flush=True)
    if options.sheet:
        from render.image import write_png

        write_png(options.sheet, np.concatenate([np.concatenate(row, 1) for row in bench.panels], 0))
    print(json.dumps(bench.figures()))


class Benchmark:
    """What was measured so far."""

    def __init__(self):
        self.head = load_head()
        arrays = self.head.arrays
        self.face = face_of(arrays, SIZE)
        self.inner = self.face.area > 0.5
        self.atlas = self.face.atlas.part(self.inner)
        lids = np.zeros(len(arrays.v_template))
        lids[np.concatenate([arrays.regions["left_lids"], arrays.regions["right_lids"]])] = 1
        self.lids = self.atlas.spread(lids) > 0.9
        self.lists: dict[str, list[float]] = defaultdict(list)
        self.panels: list[list[np.ndarray]] = []

    def person(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        person = random_person(self.head.arrays, rng)
        look = look_of_person(self.head.arrays, person)
        usual = srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
        complexion = srgb_to_linear(np.array(person.complexion) / 255) / usual
        truth = srgb_to_linear(look.skin_texture.reshape(-1, 3)[self.atlas.texels] / 255) * complexion
        scenes = random_views(rng)
        films = [
            replace(scenes[i % 5], yaw_deg=float(yaw), seed=i)
            for i, yaw in enumerate(rng.permutation(np.linspace(-45, 45, 12)))
        ]
        views = [self._view(person, NEUTRAL, scene, look) for scene in scenes]
        frames = [self._view(person, MOVES[i % len(MOVES)], scene, look) for i, scene in enumerate(films)]
        blob, covered = self._covered(views[FRONT], person)
        self.panels.append([_small(linear_to_srgb(self.atlas.image(truth)) * 255)])
        self._score("flat", np.broadcast_to(truth.mean(0), truth.shape), truth, blob)
        for name, chosen in SETS.items():
            taken = self._fused(name, [views[i] for i in chosen], truth, blob)
            if FRONT in chosen:
                hidden = [covered if i == FRONT else views[i] for i in chosen]
                taken = fuse_appearance(hidden, self.head.arrays)
                found = self._texels(taken)
                self.lists[f"patch_occluded_{name}"].append(_error(found, truth, blob, channels=True))
        kept = self.face.atlas.interpolated(taken.lit[FRONT].kept[..., None])[self.inner, 0]
        seen = self.face.atlas.interpolated(taken.lit[FRONT].seen[..., None])[self.inner, 0] > 0.5
        self.lists["rejected"].append(float((kept[blob] < 0.5).mean()))
        self.lists["rejected_wrongly"].append(float((kept[seen & ~blob] < 0.5).mean()))
        singles = [fuse_appearance([view], self.head.arrays) for view in views]
        best = max(singles, key=lambda single: single.coverage)
        self._score("best_of_5", self._texels(best), truth, blob)
        self._fused("frames", frames, truth, blob)

    def _view(self, person, expression, scene, look) -> PosedView:
        picture = picture_of(self.head, person, expression, scene, look=look)
        return PosedView(picture.image, picture.truth.world, picture.truth.camera, picture.truth.seen())

    def _covered(self, view: PosedView, person) -> tuple[np.ndarray, PosedView]:
        """Which texels a blob over a cheek covers, and the view with the blob: a hand as light as the face."""
        pixels = project(self.atlas.spread(view.vertices), view.camera)[:, :2]
        cheek = view.observation.landmarks[[50, 205]].mean(0)
        radius = 0.35 * np.linalg.norm(np.diff(view.observation.landmarks[[50, 280]], axis=0))
        y, x = np.mgrid[: view.image.shape[0], : view.image.shape[1]] + 0.5
        inside = np.hypot(x - cheek[0], y - cheek[1]) < radius
        face = np.median(view.image[inside], 0)
        image = view.image.copy()
        image[inside] = np.clip(face * (1.12, 0.86, 0.78) * (1 + 0.1 * np.sin(x / 4)[..., None])[inside], 0, 255)
        return np.hypot(*(pixels - cheek).T) < radius, replace(view, image=image)

    def _fused(self, name, views, truth, blob):
        start = time.process_time()
        taken = fuse_appearance(views, self.head.arrays)
        self.lists[f"seconds_{name}"].append(time.process_time() - start)
        self._score(name, self._texels(taken), truth, blob)
        self.panels[-1].append(_small(taken.appearance.albedo))
        return taken

    def _texels(self, taken) -> np.ndarray:
        return srgb_to_linear(taken.appearance.albedo.reshape(-1, 3)[self.atlas.texels] / 255)

    def _score(self, name, found, truth, blob) -> None:
        everywhere = np.ones(len(truth), bool)
        self.lists[f"error_{name}"].append(_error(found, truth, everywhere))
        self.lists[f"colour_error_{name}"].append(_error(found, truth, everywhere, channels=True))
        self.lists[f"lids_{name}"].append(_error(found, truth, self.lids, channels=True))
        self.lists[f"patch_{name}"].append(_error(found, truth, blob, channels=True))
        if name != "flat":
            self.lists[f"detail_{name}"].append(self._detail(found, truth))

    def _detail(self, found, truth) -> float:
        from scipy.ndimage import gaussian_filter

        inside = self.atlas.image(np.ones(len(truth), np.float32))
        share = gaussian_filter(inside, 8)
        fine = []
        for colours in (found, truth):
            grey = self.atlas.image(np.log(np.maximum(colours.mean(1), 0.01)))
            fine.append((grey - gaussian_filter(grey, 8) / np.maximum(share, 1e-3))[inside > 0])
        return float(np.corrcoef(fine)[0, 1])

    def figures(self) -> dict[str, float]:
        return {name: round(float(np.mean(values)), 4) for name, values in self.lists.items()}


def _error(found, truth, where, *, channels: bool = False) -> float:
    gain = truth.mean(0) / found.mean(0) if channels else truth.mean() / found.mean()
    apart = linear_to_srgb(np.clip(found * gain, 0, 1))[where] - linear_to_srgb(np.clip(truth, 0, 1))[where]
    return 100 * float(np.abs(apart).mean())


def _small(image: np.ndarray) -> np.ndarray:
    return np.rint(image[::4, ::4]).astype(np.uint8)


if __name__ == "__main__":
    main()
