"""Takes and key motions of a voice that nothing learnt from, against the teacher's performance of the same lines.

    python benchmarks/animate_takes.py [--flow FLOW.npz] [--keys KEYS.npz] [--encoder ENCODER.npz] [--clips 8]
        [--takes 5] [--steps 8] [--method euler] [--audio 1] [--emotion 1] [--style 1] [--sheet SHEET.png]

The held-out voice of the aligned speech (animate.encoder.corpus) is performed by the teacher with its true phones, one
or two emotions, and seeds. Styles are nobody's. Of the flow's takes and the keys:

- `vertices_mm`, `gap_mm`: root mean square distance to the teacher on the sparse face, and of the lips' gaps. No take
  can know the teacher's dice (blinks, gaze, brows): `another_seed` is what the teacher itself gets with another seed,
  `still` what a face gets that holds its mean, `flow_one` the single take with a spread of 0.
- `diversity_mm`: mean distance of vertices between pairs of takes; `teacher_diversity_mm` between the teacher's seeds.
- `bilabial_closure` and other figures of animate.metrics, of take 0 and of the keys, against the true phones.
- `realtime_factor`: seconds of speech a second of one thread's own time, hearing included (once for all takes);
  features and the head's vertices are not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # before this folder, whose readers.py and recon.py are no packages

from animate import keys as key_motions  # noqa: E402
from animate import takes as flow_takes  # noqa: E402
from animate.emotion import EMOTIONS  # noqa: E402
from animate.encoder.corpus import Utterance, corpus_folder, load_corpus  # noqa: E402
from animate.encoder.weights import load_weights  # noqa: E402
from animate.encoders import EmberfaceSpeech, LogMel  # noqa: E402
from animate.losses.contact import lip_gaps  # noqa: E402
from animate.losses.vertices import SparseFace  # noqa: E402
from animate.metrics import lip_report  # noqa: E402
from animate.model import Conditions  # noqa: E402
from animate.motion import face_of, rows_of  # noqa: E402
from animate.network_file import load_flow, load_keys  # noqa: E402
from animate.phones import Phones  # noqa: E402
from animate.pipeline import performances  # noqa: E402
from animate.speech import RATE, measure, prepare  # noqa: E402
from animate.style import STYLE  # noqa: E402
from benchmarks.animate_lips import pooled  # noqa: E402
from flame_tools.head import Head  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.types import Track  # noqa: E402

FPS = 30
_LIPS = ("bilabial_closure", "false_closure", "false_closure_other", "open_gap_mm", "silence_rest", "open_closed_auc")


def feeling(number: int) -> np.ndarray:
    """Intensities [8]: nothing for one in six, else one or two emotions."""
    rng = np.random.default_rng((5, number))
    felt = np.zeros(len(EMOTIONS))
    if rng.random() > 1 / 6:
        for which, share in zip(rng.permutation(np.arange(1, 8))[: rng.integers(1, 3)], (1.0, 0.5), strict=False):
            felt[which] = share * rng.uniform(0.3, 1.0)
    return felt


def performed(spoken: Utterance, head: Head, felt: np.ndarray, seed: int) -> Track:
    """The teacher's performance of true phones."""
    speech = prepare(spoken.samples, RATE)
    prosody = measure(speech)
    tier = spoken.said
    truth = Phones(tier, tier, "align", np.zeros(len(tier), bool), (), (), 1.0, True)
    shape = torch.zeros(head.shape_size)
    return next(performances(speech, prosody, truth, felt, head=head, shape=shape, fps=Fraction(FPS), seed=seed))


class Errors:
    """Distances of motions to true ones, summed over clips."""

    def __init__(self, face: SparseFace):
        self.face = face
        self._sums: dict[str, list[tuple[float, float]]] = {}

    @torch.inference_mode()
    def add(self, name: str, found: Tensor, wanted: Tensor) -> None:
        seen, true = self.face(found), self.face(wanted)
        gap = lip_gaps(seen, self.face.pairs) - lip_gaps(true, self.face.pairs)
        row = ((seen - true).square().sum(-1).mean(-1), gap.square().mean(-1))
        self._sums.setdefault(name, []).extend(zip(*(value.tolist() for value in row), strict=True))

    def figures(self) -> dict[str, float]:
        out = {}
        for name, rows in self._sums.items():
            for what, mean in zip(("vertices_mm", "gap_mm"), np.mean(rows, 0), strict=True):
                out[f"{name}_{what}"] = float(mean) ** 0.5
        return out


@torch.inference_mode()
def diversity_mm(face: SparseFace, motions: list[Tensor]) -> float:
    """Mean distance of vertices between pairs of motions [T, D]."""
    seen = [face(motion) for motion in motions]
    return float(np.mean([(a - b).norm(dim=-1).mean().item() for a, b in itertools.combinations(seen, 2)]))


def with_motion(track: Track, motion: Tensor, head: Head) -> Track:
    """A track that moves as motion [T, D] says."""
    face, count = face_of(motion, head), len(track)
    zeros = torch.zeros(count, 3)
    return track.replace(params=face.replace(shape=track.params.shape, global_rotation=zeros, translation=zeros))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flow", type=Path)
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--encoder", type=Path, help="weights of emberface-speech; log-mel where none are given")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--takes", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--method", default="euler")
    for name in ("audio", "emotion", "style"):
        parser.add_argument(f"--{name}", type=float, default=1.0)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = load_head("default")
    face = SparseFace(head)
    ear = EmberfaceSpeech(load_weights(options.encoder)) if options.encoder else LogMel()
    guidance = flow_takes.Guidance(options.audio, options.emotion, options.style)
    sampling = flow_takes.Sampling(options.steps, options.method, guidance=guidance)
    one = flow_takes.Sampling(options.steps, options.method, 0.0, guidance)
    flow, keys = (
        _loaded(load, path, ear.name, head) if path else None
        for load, path in ((load_flow, options.flow), (load_keys, options.keys))
    )
    errors, reports, spread = Errors(face), {}, {"": [], "teacher_": []}
    spoken_s = made_s = keys_s = 0.0
    _, kept = load_corpus([corpus_folder() / "aligned"])
    for number, spoken in enumerate(kept[: options.clips]):
        track = performed(spoken, head, feeling(number), number)
        wanted = torch.as_tensor(rows_of(track, track.time_s))
        features = torch.from_numpy(ear.features(prepare(track.audio, track.audio_rate).analysis, FPS))[: len(wanted)]
        told = Conditions(torch.as_tensor(feeling(number)).float()[None, None], torch.zeros(1, 1, STYLE))
        tier, spoken_s = track.intervals["phones"], spoken_s + spoken.duration_s
        others = [performed(spoken, head, feeling(number), 1000 + seed) for seed in range(max(options.takes - 1, 1))]
        others = [torch.as_tensor(rows_of(other, other.time_s)) for other in others]
        errors.add("another_seed", others[0], wanted)
        errors.add("still", wanted.mean(0).expand_as(wanted), wanted)
        spread["teacher_"].append(diversity_mm(face, [wanted, *others]))
        reports.setdefault("teacher", []).append(lip_report(track, head, tier))
        if flow is not None:
            start = time.process_time()
            takes = list(flow_takes.perform(flow, features, told, seed=number, takes=options.takes, sampling=sampling))
            made_s += time.process_time() - start
            for take in takes:
                errors.add("flow", take, wanted)
            (single,) = flow_takes.perform(flow, features, told, seed=number, sampling=one)
            errors.add("flow_one", single, wanted)
            spread[""].append(diversity_mm(face, takes) if len(takes) > 1 else 0.0)
            reports.setdefault("flow", []).append(lip_report(with_motion(track, takes[0], head), head, tier))
            reports.setdefault("flow_one", []).append(lip_report(with_motion(track, single, head), head, tier))
            if options.sheet and number == 0:
                _sheet(options.sheet, head, wanted, takes[:3])
        if keys is not None:
            start = time.process_time()
            motion, _ = key_motions.perform(keys, features, told, tier, fps=FPS)
            keys_s += time.process_time() - start
            errors.add("keys", motion, wanted)
            reports.setdefault("keys", []).append(lip_report(with_motion(track, motion, head), head, tier))
        print(spoken.name, {name: round(value, 3) for name, value in errors.figures().items()}, flush=True)
    out = {"clips": min(options.clips, len(kept)), "spoken_s": spoken_s, **errors.figures()}
    out |= {f"{name}diversity_mm": float(np.mean(values)) for name, values in spread.items() if values}
    for name, rows in reports.items():
        figures = pooled(rows)
        out |= {f"{name}_{figure}": figures[figure] for figure in _LIPS}
    if flow is not None:
        out["flow_realtime_factor"] = spoken_s * options.takes / made_s
    if keys is not None:
        out["keys_realtime_factor"] = spoken_s / keys_s
    print(json.dumps({name: round(value, 3) if isinstance(value, float) else value for name, value in out.items()}))


def _loaded(load, path: Path, encoder: str, head: Head):
    network, header = load(path)
    if (header["encoder"], header["fps"], header["head_id"]) != (encoder, FPS, head.arrays.id):
        raise SystemExit(f"{path} hears {header['encoder']} at {header['fps']} fps for {header['head_id']}")
    return network


def _sheet(path: Path, head: Head, wanted: Tensor, takes: list[Tensor], columns: int = 9) -> None:
    """The teacher over takes, frames evenly chosen."""
    from PIL import Image

    from render.camera import portrait_camera
    from render.preview import contact_sheet, draw, head_bounds

    frames = np.linspace(0, len(wanted) - 1, columns + 2).round().astype(int)[1:-1]
    camera = portrait_camera((180, 220), head_bounds(head))
    rows = {"teacher": wanted} | {f"take {i}": take for i, take in enumerate(takes)}
    with torch.inference_mode():
        pictures = [
            draw(head, v, camera) for motion in rows.values() for v in head.vertices(face_of(motion[frames], head))
        ]
    labels = [f"{name}, {frame / FPS:.2f} s" for name in rows for frame in frames]
    Image.fromarray(contact_sheet(pictures, columns, labels)).save(path)


if __name__ == "__main__":
    main()
