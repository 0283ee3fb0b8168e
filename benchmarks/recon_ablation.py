"""What each loss of the learned reconstruction does: one small encoder, equal steps, on held-out made faces.

    python benchmarks/recon_ablation.py CROPS SPOKEN -o OUT [--seeds 0 1 2] [--pretrain 2500] [--paint 800]
        [--steps 300] [--judge-file ict_facekit.npz]

CROPS are of recon.synthetic.shards, SPOKEN of recon_spoken_crops. Rows, each with all that the rows before it have:
landmarks, photometric, neural render, cycle, lip reading. All begin with one encoder, taught by landmarks alone, and
one generator, which has learnt to paint its faces; then each row and seed goes its own way for as many steps, while the
rate falls to nothing. Expressions and faces at rest are measured in mm at the 468 landmarks of crops that were held
out, without their pose; lips on lines that are said, a picture a frame: the gap, and with --judge-file the share of
frames whose viseme the lip judge names. Intervals are 95 % of Student's t over seeds, which draw batches and noise. A
run that is done is not run again, and several of these may share the runs. The last line is one JSON object: of each
figure its mean, its change against landmarks alone, and that change's half interval.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from animate.emotion import parse
from benchmarks.animate_ablation import Line, lines
from flame_tools.archive import written_whole
from flame_tools.head import Head
from flame_tools.lips import Lips
from flame_tools.load import load_head
from flame_tools.surface.alignment import align
from flame_tools.types import FaceParams, Track
from learning.run import RunConfig
from readers.sampling import Square, sample_square
from readers.visemes import VISEME_OF, VISEMES
from recon.evaluation.lips import lip_errors
from recon.evaluation.performances import of_track
from recon.learned.crop import CUT, TIGHT
from recon.networks.synthesis import SynthesisNetwork, load_synthesis
from recon.synthetic.crops import Crops
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.shards import read_shards
from recon.synthetic.shots import READ, Marks, shot_of
from recon.train.base import Landmarks468
from recon.train.paths import SynthesisTraining
from recon.train.synthesis import SynthesisSource, train_synthesis

ADDED = (
    ("landmarks", {}),
    ("photometric", {"photometric": 20.0}),
    ("neural", {"painted": 20.0}),
    ("cycle", {"cycle": 2.0}),
    ("lips", {"lips": 0.5}),
)
SIZE = 64
SHARED = dict(
    size=SIZE,
    width=12,
    residuals=1,
    fold=2,
    encoder="small",
    form=2000.0,
    prior=0.05,
    shaken=0.06,
    painted=0.0,
    cycle=0.0,
)
SPOKEN = 8  # lines, each by somebody else
SPOKEN_S = 3.0  # of each
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t, two-sided, by the number of seeds


def training(row: int, seed: int, options: argparse.Namespace) -> SynthesisTraining:
    """Of a row, after what is shared."""
    weights = dict(SHARED)
    for _, more in ADDED[: row + 1]:
        weights |= more
    run = RunConfig(
        steps=options.steps, rate=5e-4, warm=30, decay=options.steps // 2, average=0.98, seed=seed, sheet_every=0,
        save_every_s=30.0,
    )  # fmt: skip
    return SynthesisTraining(batch=8, pretrain=0, run=run, **weights)


def begun(crops: Crops, head: Head, options: argparse.Namespace) -> SynthesisNetwork:
    """What all rows begin with: an encoder taught by landmarks alone, then a generator that paints its faces."""
    net, seed = None, 1000
    for name, batch, steps, kind in (
        ("begin-landmarks", 64, options.pretrain, {"pretrain": options.pretrain}),
        ("begin-painting", 16, options.paint, {"pretrain": 0, "paint": options.paint, "painted": 10.0}),
    ):
        folder = options.out / name
        run = RunConfig(
            steps=steps, rate=3e-3, warm=100, decay=steps // 2, average=0.99, seed=seed, sheet_every=0,
            save_every_s=60.0,
        )  # fmt: skip
        if not (folder / "synthesis.npz").exists():
            train_synthesis(SynthesisTraining(batch=batch, run=run, **SHARED | kind), crops, head, folder, begin=net)
        net = load_synthesis(folder / "synthesis.npz", head.arrays)
    return net


# --- what is measured -----------------------------------------------------------------------------------------------


def faces(net: SynthesisNetwork, pictures: torch.Tensor) -> FaceParams:
    """What is read of pictures [N, 3, S, S], in the head's own frame."""
    with torch.no_grad():
        parts = [net.read(part).face.in_head_frame() for part in pictures.split(64)]
    return FaceParams(*(torch.cat(values) for values in zip(*(vars(p).values() for p in parts), strict=True)))


def shape_errors(net: SynthesisNetwork, head: Head, crops: Crops, source: SynthesisSource) -> dict[str, float]:
    """mm, of the crops that were held out."""
    rows = np.arange(source.count, len(crops))
    face, marks = faces(net, source.rows(rows).picture), Landmarks468(head)
    with torch.no_grad():
        rest = FaceParams.neutral(head, len(rows)).replace(shape=face.shape)
        still, moved = (marks(p).double().numpy() for p in (rest, face))
    neutral, expressed = crops.neutral[rows], crops.expressed[rows]

    def length(apart: np.ndarray) -> float:
        return 1000 * float(np.linalg.norm(apart, axis=-1).mean())

    placed = [align(a, b, kind="rigid")(a) - b for a, b in zip(moved, expressed, strict=True)]
    rested = [align(a, b, kind="rigid")(a) - b for a, b in zip(still, neutral, strict=True)]
    return {
        "expression_mm": length((moved - still) - (expressed - neutral)), "neutral_mm": length(np.stack(rested)),
        "posed_mm": length(np.stack(placed)), "still_mm": length(expressed - neutral),
    }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Spoken:
    """A line that somebody says, a picture a frame."""

    track: Track
    pictures: torch.Tensor  # [T, 3, SIZE, SIZE]
    visemes: np.ndarray  # [T] what is said


def spoken(head: Head, folder: Path) -> list[Spoken]:
    """Lines of the voice kept out, by people in poses and light by chance."""
    rng = np.random.default_rng(0)
    lips, marks = Lips(head, torch.zeros(head.shape_size)), Marks(head.arrays)
    kept = folder / "spoken.npz"
    stored = dict(np.load(kept)) if kept.exists() else {}
    found = []
    for number, line in enumerate(Line(utterance) for utterance in lines(SPOKEN)):
        line.times = line.times[line.times < SPOKEN_S]
        person = random_person(head.arrays, rng)
        track = line.by_teacher(head, lips, parse("neutral"))
        shape = torch.as_tensor(person.shape).to(head.v_template)
        still = track.params.in_head_frame().replace(shape=shape)
        track = track.replace(params=still)
        if f"line{number}" not in stored:
            look, images = look_of_person(head.arrays, person), []
            for i in range(len(line.times)):
                with torch.no_grad():
                    one = still.frame(slice(i, i + 1))
                    vertices = head.vertices(one.replace(shape=shape[None]))[0].double().numpy()
                shot = shot_of(look, person.complexion, marks, vertices, rng)
                picture = sample_square(shot.image, Square(READ / 2, READ / 2, READ * TIGHT), CUT)
                images.append(np.rint(255 * picture).astype(np.uint8))
            stored[f"line{number}"] = np.stack(images)
        pictures = torch.as_tensor(stored[f"line{number}"]).permute(0, 3, 1, 2).float() / 255
        pictures = torch.nn.functional.interpolate(pictures, (SIZE, SIZE), mode="area")
        index = np.searchsorted(line.said.end_s, line.times, side="right").clip(max=len(line.said.names) - 1)
        said = np.array([VISEME_OF[line.said.names[i]] for i in index])
        found.append(Spoken(track, pictures, said))
    if not kept.exists():
        with written_whole(kept) as temporary:
            np.savez(temporary, **stored)
    return found


def as_read(said: Spoken, face: FaceParams) -> Track:
    """The line as a network reads it: one build, the frames' expressions."""
    shape = face.shape.mean(0)
    return said.track.replace(
        params=said.track.params.replace(
            shape=shape, expression=face.expression, jaw=face.jaw, eyelids=face.eyelids, eyes=face.eyes
        )
    )


def lip_figures(tracks: list[Track], lines_said: list[Spoken], head: Head, judge_file: Path | None) -> dict[str, float]:
    """Of all lines together."""
    errors = [
        lip_errors(of_track(track, head), of_track(said.track, head), head.arrays)
        for track, said in zip(tracks, lines_said, strict=True)
    ]
    figures = {
        "lip_gap_error_mm": float(np.mean([e.lip_gap_error_mm for e in errors])),
        "lip_gap_r": float(np.mean([e.lip_gap_correlation or 0.0 for e in errors])),
    }
    if judge_file:
        from readers.judges import judge_lips

        right: list[np.ndarray] = []
        for track, said in zip(tracks, lines_said, strict=True):
            judged = judge_lips(track, head, judge_file=judge_file)
            names = np.array([tuple(VISEMES).index(name) for name in judged.visemes()])[: len(said.visemes)]
            speaks = said.visemes[: len(names)] != 0
            right.append((names == said.visemes[: len(names)])[speaks])
        figures["viseme_accuracy"] = float(np.concatenate(right).mean())
    return figures


# --- running --------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crops", type=Path)
    parser.add_argument("spoken", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pretrain", type=int, default=2500)
    parser.add_argument("--paint", type=int, default=800)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--judge-file", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    head = load_head()
    crops = Crops.joined([read_shards(options.spoken), read_shards(options.crops)])  # the last ones are held out
    lines_said = spoken(head, options.out)

    def figures_of(net: SynthesisNetwork) -> dict[str, float]:
        tracks = [as_read(said, faces(net, said.pictures)) for said in lines_said]
        found = shape_errors(net, head, crops, SynthesisSource(crops, 0, SIZE, head))
        return found | lip_figures(tracks, lines_said, head, options.judge_file)

    begin = begun(crops, head, options)
    result: dict = {"crops": len(crops), **{key: getattr(options, key) for key in ("pretrain", "paint", "steps")}}
    rows: dict[str, list[dict]] = {name: [] for name, _ in ADDED}
    for seed in options.seeds:
        for row, (name, _) in enumerate(ADDED):
            folder, config = options.out / f"{seed}-{name}", training(row, seed, options)
            if not (folder / "figures.json").exists():
                net = train_synthesis(config, crops, head, folder, begin=begin)
                (folder / "figures.json").write_text(json.dumps(figures_of(net)) + "\n", encoding="utf-8")
            figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
            rows[name].append(figures)
            print(seed, name, {key: round(value, 4) for key, value in figures.items()}, flush=True)
    result["truth"] = lip_figures([said.track for said in lines_said], lines_said, head, options.judge_file)
    result["begin"] = figures_of(begin)
    result |= {name: summary(found, rows["landmarks"]) for name, found in rows.items()}
    print(json.dumps(result))
    return 0


def summary(found: list[dict], first: list[dict]) -> dict[str, list[float | None]]:
    """Of each figure: its mean over seeds, and the mean change against landmarks alone with its 95 % half interval."""
    figures = {}
    for key in found[0]:
        values, base = (np.array([each[key] for each in rows]) for rows in (found, first))
        change, n = values - base, len(values)
        half = float(T95[n] * change.std(ddof=1) / np.sqrt(n)) if n in T95 else None
        figures[key] = [round(float(v), 4) for v in (values.mean(), change.mean())] + [half and round(half, 4)]
    return figures


if __name__ == "__main__":
    sys.exit(main())
