"""What the readers and the judges read, and what the losses that look cost. One JSON object on the last line.

python benchmarks/readers.py [--judge-file ict_facekit.npz] [--clips 8] [--sheet docs/images/readers.png]
    [--only judged] [--model assets/data/emberface_motion.npz]

The voice is the one kept out of all training. Its faces are the teacher's with true phones, or with --model those of a
trained network that hears the voice.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from animate.emotion import EMOTIONS, parse
from animate.encoder.corpus import PHONES, corpus_folder, load_corpus
from animate.hearing import hear
from animate.learned import load_performer
from animate.losses.felt import Felt
from animate.losses.lipread import LipReading
from animate.manner import Manner
from animate.perform import enliven, speak
from animate.phones import phones_heard
from animate.pipeline import performances
from animate.read_metrics import intensity_rank, leakage, reading_accuracy
from animate.speech import RATE, measure, prepare
from animate.train.performances import phones_at
from flame_tools.lips import Lips
from flame_tools.load import load_head
from flame_tools.types import Intervals, Track
from readers.coarse import coarse
from readers.emotion import load_emotion_reader
from readers.judges import judge_emotion, judge_lips, on_judge_head
from readers.mouth import load_mouth_reader
from readers.stage import Stage
from readers.variation import Variation

FPS = 30
SECONDS = 4.0  # of each clip
MIXES = tuple(itertools.combinations(EMOTIONS[1:], 2))


def clips(count: int) -> list[tuple]:
    """(spoken, prosody, times, phones [T]) of stretches of the voice kept out."""
    _, held = load_corpus([corpus_folder() / "aligned", corpus_folder() / "synthetic"])
    held = [spoken for spoken in held if spoken.duration_s > SECONDS + 1.2]
    found = []
    for spoken in held[:: max(len(held) // count, 1)][:count]:
        times = 1.0 + np.arange(round(SECONDS * FPS)) / FPS
        found.append((spoken, measure(prepare(spoken.samples, RATE)), times, phones_at(spoken, times)))
    return found


def acted(clip, emotion: str, head, performer=None) -> Track:
    """A clip's face: the teacher's with true phones, or a performer's that hears it."""
    spoken, prosody, times, _ = clip
    shape = torch.zeros(head.shape_size)
    part = slice(round(times[0] * FPS), round(times[0] * FPS) + len(times))
    if performer is not None:
        speech, hearing = heard(spoken)
        how = {"head": head, "shape": shape, "fps": Fraction(FPS), "seed": 1, "learnt": (performer, hearing)}
        track = next(performances(speech, prosody, phones_heard(hearing, prosody), parse(emotion), **how))
        return Track(head.arrays.id, track.params.frame(part), times)
    said = Intervals(tuple(PHONES[i] for i in spoken.phones), spoken.start_s, spoken.end_s)
    everything = np.arange(0, spoken.duration_s, 1 / FPS)
    when = everything, spoken.duration_s, parse(emotion)
    mouth = speak(said, prosody, *when, lips=Lips(head, shape), manner=Manner())
    params, _ = enliven(mouth, said, prosody, *when, head=head, shape=shape, seed=1)
    return Track(head.arrays.id, params.frame(part), times)


_voices: dict[str, tuple] = {}


def heard(spoken) -> tuple:
    if spoken.name not in _voices:
        speech = prepare(spoken.samples, RATE)
        _voices[spoken.name] = speech, hear(speech.analysis)
    return _voices[spoken.name]


def drawn(stage: Stage, track: Track, looks: Variation | None = None) -> torch.Tensor:
    with torch.no_grad():
        return stage(stage.vertices(track.params), stage.framing(track.params.shape), looks)


def judged(head, stretches, judge_file: Path | None, performer=None) -> dict:
    """The judges: names at 0.7, intensities in order, mixes, phones and leakage at every emotion."""
    named, amounts, lips, leaked, mixed = [], [], {}, {}, []
    for number, clip in enumerate(stretches):
        calm = None
        for emotion in EMOTIONS:
            moved = on_judge_head(acted(clip, f"{emotion}:0.7", head, performer), head, judge_file=judge_file)
            found = judge_emotion(moved, head, judge_file=judge_file)
            named.append((emotion, found.named))
            said = judge_lips(moved, head, judge_file=judge_file)
            calm = calm or said  # neutral comes first
            right = reading_accuracy(said.log_probabilities, said.phones, clip[3][: len(said.time_s)])
            lips.setdefault(emotion, []).append((right.phones, right.visemes))
            leaked.setdefault(emotion, []).append(leakage(calm, said).viseme_divergence_bits)
            if emotion != "neutral" and number < 2:
                for intensity in (0.3, 1.0):
                    track = acted(clip, f"{emotion}:{intensity}", head, performer)
                    read = judge_emotion(track, head, judge_file=judge_file)
                    amounts.append((emotion, intensity, float(read.intensities[EMOTIONS.index(emotion)])))
                amounts.append((emotion, 0.7, float(found.intensities[EMOTIONS.index(emotion)])))
    for number, (one, other) in enumerate(MIXES):
        track = acted(stretches[number % len(stretches)], f"{one}:0.6,{other}:0.6", head, performer)
        mixed.append((one, other, judge_emotion(track, head, judge_file=judge_file).order[:2]))
    of = {e: [(i, a) for name, i, a in amounts if name == e] for e in EMOTIONS[1:]}
    ranks = {e: intensity_rank([i for i, _ in rows], [a for _, a in rows]) for e, rows in of.items() if rows}
    means = {e: np.mean(rows, 0).round(3).tolist() for e, rows in lips.items()}
    return {
        "judge_named": np.mean([a == b for a, b in named]).round(3).item(),
        "judge_named_each": {e: np.mean([b == e for a, b in named if a == e]).round(3).item() for e in EMOTIONS},
        "judge_said_instead": sorted({f"{a} as {b}" for a, b in named if a != b}),
        "judge_mixes_in_top_two": np.mean([{a, b} == set(top) for a, b, top in mixed]).round(3).item(),
        "judge_mixes_otherwise": [f"{a} and {b}: {' and '.join(top)}" for a, b, top in mixed if {a, b} != set(top)],
        "judge_rank": {e: None if r is None else round(r, 3) for e, r in ranks.items()},
        "judge_phones_visemes": means,
        "judge_viseme_divergence_bits": {e: round(float(np.mean(bits)), 4) for e, bits in leaked.items()},
    }


def read(head, stages, stretches) -> dict:
    """The readers on the teacher, plain and in varied light and quality."""
    mouth, face = load_mouth_reader(), load_emotion_reader()
    out: dict[str, list] = {}
    for number, clip in enumerate(stretches):
        for emotion in EMOTIONS:
            track = acted(clip, f"{emotion}:0.7", head)
            for kind, looks in (("plain", None), ("varied", Variation.random(1, len(track), number))):
                with torch.no_grad():
                    said = mouth(drawn(stages["mouth"], track, looks)[None]).log_probabilities[0]
                    felt = face(drawn(stages["face"], track, looks)[None, ::15]).logits[0]
                right = reading_accuracy(said.numpy(), PHONES, clip[3])
                out.setdefault(f"phones_{kind}", []).append(right.phones)
                out.setdefault(f"visemes_{kind}", []).append(right.visemes)
                out.setdefault(f"emotion_{kind}", []).append(EMOTIONS[felt.argmax()] == emotion)
    return {name: round(float(np.mean(values)), 3) for name, values in out.items()}


def cost(head) -> dict:
    """Milliseconds of 8 crops of 30 frames, forward and backward, truth included; of this process alone."""
    lips, felt = LipReading(head), Felt(head)
    source = torch.Generator().manual_seed(0)
    wanted = 0.2 * torch.rand(8, 30, head.expression_size + 14, generator=source)
    found = (wanted + 0.05).requires_grad_(True)
    mask = torch.ones(8, 30, dtype=torch.bool)

    def spent(call) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            call().backward()
            times.append(1e3 * (time.process_time() - start))
        return round(min(times), 1)

    out = {"lipread_ms": spent(lambda: lips(found, wanted, mask))}
    lips.frames = 10
    out["lipread_10_frames_ms"] = spent(lambda: lips(found, wanted, mask))
    out["felt_4_pictures_ms"] = spent(lambda: felt(found, wanted, mask))
    out["felt_intensities_ms"] = spent(lambda: felt.intensities(found, torch.zeros(8, 8), mask))
    return out


def sheet(head, stages, clip, path: Path) -> None:
    """Rows of what the readers see: a line's mouths, then the emotions' faces, plain and varied."""
    from PIL import Image

    rows = []
    for seed in (None, 11, 12, 13):
        track = acted(clip, "neutral" if seed is None else EMOTIONS[seed % 7 + 1], head)
        looks = None if seed is None else Variation.random(1, len(track), seed)
        rows.append(torch.cat(list(drawn(stages["mouth"], track, looks)[:48:3]), 1))
    faces = [acted(clip, f"{emotion}:0.8", head) for emotion in EMOTIONS]
    shown = [drawn(stages["face"], track)[30:90:40] for track in faces]
    varied = [drawn(stages["face"], t, Variation.random(1, len(t), 20 + k))[30:90:40] for k, t in enumerate(faces)]
    rows += [torch.cat([picture for pair in some for picture in pair], 1) for some in (shown, varied)]
    width = max(row.shape[1] for row in rows)
    rows = [torch.nn.functional.pad(row, (0, width - row.shape[1])) for row in rows]
    pixels = (torch.cat(rows) * 255).byte().numpy()
    Image.fromarray(pixels).save(path, optimize=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge-file", type=Path)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--only", choices=("read", "judged", "cost", "sheet"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = load_head()
    stages = {view: Stage(coarse(head), view) for view in ("mouth", "face")}
    stretches = clips(options.clips)
    performer = load_performer(options.model) if options.model else None
    out: dict = {"clips": len(stretches)}
    if options.only in (None, "read"):
        out |= read(head, stages, stretches)
    if options.only in (None, "judged"):
        out |= judged(head, stretches, options.judge_file, performer)
    if options.only in (None, "cost"):
        out |= cost(head)
    if options.sheet:
        sheet(head, stages, stretches[0], options.sheet)
    print(json.dumps(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
