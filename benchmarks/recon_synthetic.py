"""Fit pictures of made people of ICT-FaceKit, another topology, whose truth is known: JSON on the last line.

    python benchmarks/recon_synthetic.py [--people 20] [--quick] [--views 20] [--sheet FILE.png] [--offsets FILE.npz]
                                         [--base base.npz | --solve] [--no-photometric]

Each of the people makes ten expressions, each in a picture of its own light, pose, lens and backdrop, and two sets of
five views. `--quick` takes four expressions and no views. The bundled recon-base, or that of `--base`
(docs/train_recon.md), says where each landmark is, and how sure that is; `--solve` takes them as they are read. Fits
are refined by shading unless `--no-photometric` is given; those to true landmarks are not.
Figures, over all pictures but where it is said:

- `neutral_gain_1view`: by how much the fitted identity at rest is nearer to the true neutral face than the mean face
  is: 1 - mean distance / mean distance of the mean face. Distances go from the face region's vertices to the true skin,
  after a similarity (`_rigid`: a rigid motion). `_true_landmarks`: the reader replaced by the truth. `_scan`: the best
  that the head's identities can do. `_5views`: five pictures of one moment with one lens fitted as `emberface recon`
  does, with a shared identity and, where their landmarks allow it (in `shared_5views` of the sets), one expression;
  `_one_moment`: moment and lens being known, `_several_moments`: an expression each, `_averaged`: the mean of five
  single fits instead.
- `expression_corr`: Pearson correlation of the fitted and the true displacement from neutral, over vertices of the face
  region and coordinates, averaged over pictures with an expression; a vertex counts by its rms true motion over the ten
  expressions on the mean person, so that the still forehead does not. `_extreme`, `_asymmetric`: those only;
  `_pooled`: one correlation over all pictures together, in which large motions count most. `_together`: all pictures
  of a person fitted with one identity, as those of a film are; without it each picture is fitted alone.
- `coverage68`, `coverage95`: shares of those vertices' coordinates, expressed, head frame, rigidly aligned, that lie
  within the fit's 68 % and 95 % intervals. `_normal`: along the surface's normal only, where the heads'
  correspondence does not matter.
- `nme_read`, `nme_fit`: the 468 landmarks against their true places, over the distance between the eyes in pixels.
  `bias_x_GROUP`, `bias_y_GROUP`: mean offset of the reader's from the true ones, in percent of that, in the picture
  turned upright: right, down.

Needs ../shared/data/heads/ict_facekit.npz; without it the JSON says why nothing was measured.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.recon_comparison import Comparison  # noqa: E402
from flame_tools.blas import one_blas_thread  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.types import Camera  # noqa: E402
from readers.face_parts import BROWS, LEFT_EYE, LIPS, OVAL, RIGHT_EYE, WINGS  # noqa: E402  # noqa: E402
from readers.faces import read_faces  # noqa: E402
from readers.teeth import teeth_together  # noqa: E402
from recon.fitting.fit import fit, fit_many, same_lens  # noqa: E402
from recon.fitting.observation import Observation  # noqa: E402
from recon.fitting.one_moment import fit_moments  # noqa: E402
from recon.fitting.photometric import refine  # noqa: E402
from recon.learned.regressed import base_of, sharpened  # noqa: E402
from recon.learned.regressor import Regressor, load_regressor  # noqa: E402
from recon.pipeline import landmark_model  # noqa: E402
from recon.synthetic.expressions import EXPRESSIONS  # noqa: E402
from recon.synthetic.measures import coverage, displacement_correlation, gain  # noqa: E402
from recon.synthetic.people import Person, look_of_person, random_person  # noqa: E402
from recon.synthetic.pictures import picture_of, true_of  # noqa: E402
from recon.synthetic.scenes import Scene, random_scene, random_views  # noqa: E402

ICT = ROOT / "../shared/data/heads/ict_facekit.npz"
QUICK = (0, 1, 6, 8)
VIEWED = (0, 1)  # expressions of the sets of views
NOSE = (1, 4, 5, 195, 197, 6, 168, 2)
GROUPS = {
    "oval_right": [i for i in OVAL if i in (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148)],
    "oval_left": [i for i in OVAL if i in (356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377)],
    "chin": [148, 152, 377, 176, 400],
    "forehead": [10, 338, 297, 332, 109, 67, 103],
    "lips": list(LIPS),
    "brow_right": list(BROWS[:10]),
    "brow_left": list(BROWS[10:]),
    "eye_right": list(RIGHT_EYE),
    "eye_left": list(LEFT_EYE),
    "nose_wings": list(WINGS),
    "nose_ridge": list(NOSE),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="four expressions, no sets of views")
    parser.add_argument("--views", type=int, help="people of whom there are sets of views: all")
    parser.add_argument("--offsets", type=Path, help="an NPZ of the reader's offset at every landmark of every picture")
    parser.add_argument("--sheet", type=Path, help="a PNG of the first people with their landmarks")
    parser.add_argument("--base", type=Path, help="a trained recon-base: the bundled one")
    parser.add_argument("--solve", action="store_true", help="landmarks as MediaPipe reads them")
    parser.add_argument("--no-photometric", action="store_true", help="fits to landmarks alone")
    options = parser.parse_args()
    if not ICT.exists():
        print(json.dumps({"skipped": f"{ICT.name} is not in {ICT.parent.resolve()}"}))
        return
    base = base_of("default") if options.base is None else load_regressor(options.base)
    bench = Benchmark(None if options.solve else base, photometric=not options.no_photometric)
    with one_blas_thread():
        for seed in range(options.people):
            views = seed < (options.people if options.views is None else options.views)
            bench.person(seed, QUICK if options.quick else range(len(EXPRESSIONS)), views=views and not options.quick)
            if options.sheet and seed < 6:
                bench.write_sheet(options.sheet)
    if options.offsets:
        np.savez(options.offsets, offsets=np.array(bench.offsets), yaw_deg=np.array(bench.lists["yaw_deg"]))
    print(json.dumps(bench.figures()))


class Benchmark:
    """What was measured so far."""

    def __init__(self, base: Regressor | None = None, *, photometric: bool = True):
        self.base, self.photometric = base, photometric
        self.ict, self.head = load_head(ICT), load_head()
        self.model = landmark_model(self.head.arrays)
        self.compared = Comparison(self.head.arrays, self.ict.arrays)
        self.weights = self._motion()
        self.lists: dict[str, list] = defaultdict(list)
        self.moves: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)  # of each picture: fitted, true
        self.offsets: list[np.ndarray] = []
        self.panels: list[list[np.ndarray]] = []

    def _motion(self) -> np.ndarray:
        """[n] rms displacement of each vertex over the expressions, on the mean person."""
        mean = Person(np.zeros(self.ict.shape_size), (0, 0, 0), ((0, 0, 0), (0, 0, 0)), 1.0, 0)
        scene = random_scene(np.random.default_rng(0))
        moves = [self.compared.displacement(true_of(self.ict, mean, e, scene)) for e in EXPRESSIONS]
        return np.sqrt((np.square(moves).sum(-1)).mean(0))

    def person(self, seed: int, expressions, *, views: bool) -> None:
        rng = np.random.default_rng(seed)
        person = random_person(self.ict.arrays, rng)
        scenes = [random_scene(rng) for _ in EXPRESSIONS]  # the same whichever of them are taken
        sets = [(EXPRESSIONS[i], random_views(rng)) for i in VIEWED]
        self.look = look_of_person(self.ict.arrays, person)
        self.neutral = true_of(self.ict, person, EXPRESSIONS[0], scenes[0]).neutral
        self.surface = self.compared.surface(self.neutral)
        self._neutral("mean", self.compared.mean)
        for kind, name in (("similarity", "scan"), ("rigid", "scan_true_size")):
            self._neutral(name, self.compared.best_neutral(self.neutral, kind=kind))
        self.panels.append([])
        self._together([self._picture(person, EXPRESSIONS[i], scenes[i]) for i in expressions])
        for expression, several in sets if views else ():
            self._views(person, expression, several)
        print(f"{seed + 1} people:", json.dumps(self.figures()), flush=True)

    def _neutral(self, name: str, points: np.ndarray) -> None:
        """Notes how far a neutral face is from the present person's; `mean` once a person, for all that follow."""
        errors = self.compared.neutral_errors(points, self.neutral, self.surface)
        if name == "mean":
            self.mean_errors = errors
        for kind, suffix in (("similarity", ""), ("rigid", "_rigid")):
            self.lists[f"neutral_{name}{suffix}"].append(errors[kind])
            self.lists[f"neutral_{name}{suffix}_of_mean"].append(self.mean_errors[kind])

    def _observed(self, image: np.ndarray) -> Observation | None:
        readings = read_faces(image)
        if not readings:
            self.lists["unread"].append(1)
            return None
        self.lists["unread"].append(0)
        together = teeth_together(image, readings[0].landmarks[:, :2])
        seen = Observation.of(readings[0], (image.shape[1], image.shape[0]), None, together)
        if self.base is None:
            return seen
        return sharpened(self.base, self.head.arrays, self.model, image, readings[0], seen)

    def _refined(self, images, seen, fits, **shared):
        if not self.photometric:
            return fits
        return refine(self.head.arrays, self.model, images, seen, fits, **shared).fits

    def _picture(self, person: Person, expression, scene: Scene) -> tuple:
        """Fits one picture; what was seen in it, for fits of several: image, Observation or None, Truth, Expression."""
        picture = picture_of(self.ict, person, expression, scene, look=self.look)
        truth = picture.truth
        start = time.perf_counter()
        seen = self._observed(picture.image)
        self.lists["seconds_read"].append(time.perf_counter() - start)
        cases = [("true_landmarks", truth.seen())] + ([] if seen is None else [("1view", seen)])
        for name, observation in cases:
            start = time.perf_counter()
            found = fit(self.head.arrays, self.model, observation)
            if name == "1view":
                (found,) = self._refined([picture.image], [observation], [found])
                self.lists["seconds_fit"].append(time.perf_counter() - start)
            self._score(name, found, truth, expression)
        if seen is not None:
            unit = _eye_distance(self.ict.arrays, truth.world, truth.camera)
            self.lists["nme_read"].append(float(np.linalg.norm(seen.landmarks - truth.landmarks, axis=1).mean() / unit))
            self.lists["nme_fit"].append(float(np.linalg.norm(found.projected - truth.landmarks, axis=1).mean() / unit))
            self.lists["yaw_deg"].append(scene.yaw_deg)
            self._note_offsets(seen.landmarks - truth.landmarks, truth, unit)
        self.panels[-1].append(_panel(picture.image, truth.landmarks, None if seen is None else seen.landmarks))
        return picture.image, seen, truth, expression

    def _together(self, pictures: list[tuple]) -> None:
        """One person's pictures as `emberface recon` fits several: an identity for all, an expression each."""
        read = [one for one in pictures if one[1] is not None]
        if not read:
            return
        images, views, truths, expressions = zip(*read, strict=True)
        found = self._refined(images, views, fit_many(self.head.arrays, self.model, views))
        for one, truth, expression in zip(found, truths, expressions, strict=True):
            self._note_motion("together", self.compared.placed(one.unknowns), truth, expression)

    def _score(self, name: str, found, truth, expression) -> None:
        placed = self.compared.placed(found.unknowns)
        self._neutral(name, placed.neutral)
        self._note_motion(name, placed, truth, expression)
        errors, spread = self.compared.errors_and_covariance(placed, truth, found.sd)
        self.lists[f"coverage_{name}"].append(coverage(errors, np.sqrt(np.einsum("nii->ni", spread))))
        normals = self.compared.normals(placed.expressed)
        along = np.einsum("ni,nij,nj->n", normals, spread, normals)
        self.lists[f"coverage_{name}_normal"].append(coverage((errors * normals).sum(1), np.sqrt(along)))
        self.lists[f"error_mm_{name}"].append(1000 * float(np.linalg.norm(errors, axis=1).mean()))

    def _note_motion(self, name: str, placed, truth, expression) -> None:
        if expression.kind == "neutral":
            return
        moved, true = placed.expressed - placed.neutral, self.compared.displacement(truth)
        corr = displacement_correlation(moved, true, self.weights)
        self.moves[name].append((moved, true))
        for kind in ("", f"_{expression.kind}", f"_{expression.name.replace(' ', '_')}"):
            self.lists[f"corr_{name}{kind}"].append(corr)

    def _note_offsets(self, offsets: np.ndarray, truth, unit: float) -> None:
        right, left = truth.iris[0], truth.iris[5]
        along = (left - right) / np.linalg.norm(left - right)
        turn = np.array([along, [-along[1], along[0]]])
        self.offsets.append(offsets @ turn.T / unit)

    def _views(self, person: Person, expression, scenes: list[Scene]) -> None:
        pictures = [picture_of(self.ict, person, expression, scene, look=self.look) for scene in scenes]
        seen = [(picture.image, self._observed(picture.image)) for picture in pictures]
        read = [(image, one) for image, one in seen if one is not None]
        true = [(picture.image, picture.truth.seen()) for picture in pictures]
        for name, looks in (("5views", read), ("5views_true_landmarks", true)):
            if not looks:
                continue
            images, views = zip(*looks, strict=True)
            singles = [fit(self.head.arrays, self.model, one).unknowns for one in views]
            self._neutral(f"{name}_averaged", self.compared.placed(np.mean(singles, axis=0)).neutral)
            known = {"one_moment": True, "one_camera": True}
            for moment, together in (("", None), ("_one_moment", known), ("_several_moments", {})):
                start = time.perf_counter()
                if together is None:
                    lens = same_lens(views)
                    shared, found = fit_moments(self.head.arrays, self.model, views, one_camera=lens)
                    together = {"one_moment": shared, "one_camera": lens}
                    self.lists[f"shared_{name}"].append(shared)
                else:
                    found = fit_many(self.head.arrays, self.model, views, **together)
                if looks is read:
                    found = self._refined(images, views, found, **together)
                self.lists[f"seconds_5views{moment}"].append(time.perf_counter() - start)
                self._neutral(f"{name}{moment}", self.compared.placed(found[0].unknowns).neutral)

    def write_sheet(self, path: Path) -> None:
        from render.image import write_png

        write_png(path, np.concatenate([np.concatenate(row[:4], 1) for row in self.panels], 0))

    def figures(self) -> dict:
        lists = self.lists
        figures: dict = {"people": len(lists["neutral_mean"]), "pictures": len(lists["seconds_read"])}
        figures["unread"] = int(sum(lists["unread"]))
        for key, name in (
            ("1view", "1view"),
            ("1view_true_landmarks", "true_landmarks"),
            ("5views", "5views"),
            ("5views_true_landmarks", "5views_true_landmarks"),
            ("5views_one_moment", "5views_one_moment"),
            ("5views_one_moment_true_landmarks", "5views_true_landmarks_one_moment"),
            ("5views_several_moments", "5views_several_moments"),
            ("5views_several_moments_true_landmarks", "5views_true_landmarks_several_moments"),
            ("5views_averaged", "5views_averaged"),
            ("5views_averaged_true_landmarks", "5views_true_landmarks_averaged"),
            ("scan", "scan"),
        ):
            for suffix in ("", "_rigid"):
                name = "scan_true_size" if key == "scan" and suffix else name
                errors = lists[f"neutral_{name}{suffix}"]
                means = lists[f"neutral_{name}{suffix}_of_mean"]
                figures[f"neutral_gain_{key}{suffix}"] = round(gain(errors, means), 4) if errors else None
        for suffix in ("", "_rigid"):
            figures[f"neutral_mm_mean{suffix}"] = _mean(lists[f"neutral_mean{suffix}"])
            figures[f"neutral_mm_1view{suffix}"] = _mean(lists[f"neutral_1view{suffix}"])
        for name, end in (("1view", ""), ("true_landmarks", "_true_landmarks"), ("together", "_together")):
            kinds = ["", *("_" + kind for kind in ("ordinary", "extreme", "asymmetric"))]
            for kind in [*kinds, *("_" + e.name.replace(" ", "_") for e in EXPRESSIONS[1:])]:
                figures[f"expression_corr{kind}{end}"] = _mean(lists[f"corr_{name}{kind}"])
            if self.moves[name]:
                moved, true = (np.concatenate(several) for several in zip(*self.moves[name], strict=True))
                weights = np.tile(self.weights, len(self.moves[name]))
                figures[f"expression_corr_pooled{end}"] = round(displacement_correlation(moved, true, weights), 4)
        for name, end in (("1view", ""), ("true_landmarks", "_true_landmarks")):
            for normal in ("", "_normal"):
                both = lists[f"coverage_{name}{normal}"]
                for i, share in enumerate(("68", "95")):
                    figures[f"coverage{share}{normal}{end}"] = _mean([pair[i] for pair in both])
            figures[f"error_mm{end}"] = _mean(lists[f"error_mm_{name}"])
        for key in ("nme_read", "nme_fit", "seconds_read", "seconds_fit", "seconds_5views", "shared_5views"):
            figures[key] = _mean(lists[key])
        if self.offsets:
            mean = 100 * np.mean(self.offsets, axis=0)
            for name, ids in GROUPS.items():
                for axis, value in zip("xy", mean[ids].mean(0), strict=True):
                    figures[f"bias_{axis}_{name}"] = round(float(value), 2)
        return figures


def _mean(values: list) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _eye_distance(arrays, world: np.ndarray, camera: Camera) -> float:
    """The 3D distance between the eyeballs' centres, in pixels at their depth."""
    left, right = (world[arrays.regions[name]].mean(0) for name in ("left_eyeball", "right_eyeball"))
    return float(np.linalg.norm(left - right) * camera.focal[0] / -(left + right)[2] * 2)


def _panel(image: np.ndarray, true: np.ndarray, read: np.ndarray | None) -> np.ndarray:
    """The picture with true landmarks in green and read ones in red."""
    image = image.copy()
    for points, colour in ((true, (0, 255, 0)), (read, (255, 0, 0))):
        if points is not None:
            x, y = np.clip(points.astype(int), 0, np.array(image.shape[1::-1]) - 1).T
            image[y, x] = colour
    return image


if __name__ == "__main__":
    main()
