"""Trains the judges (readers.judges) on faces of ICT-FaceKit. No pose and no rule of the teacher's enters.

python -m animate.train.judges lips|emotion ict_facekit.npz FOLDER [CONFIG.json]

The lines that faces say are those of the speech corpus, by their phone times alone. FOLDER takes `state.pt`,
`log.jsonl` with figures on the voice kept out, and, at the end, `lip_judge.npz` or `emotion_judge.npz`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, nll_loss, smooth_l1_loss

from animate.encoder.corpus import PHONE_INDEX, PHONES, Utterance, corpus_folder, load_corpus
from animate.train.pictures import MARGIN, Sequences, batch_numbers, drawn_once, shown, wide_stage
from animate.train.readers import phone_figures, pictured, trained
from flame_tools.head import Head
from learning.config import read_config
from learning.run import RunConfig
from readers.judges.faces import Acted, Habits, Line, acted, params_of_acted
from readers.judges.head import coarse_judge_head, judge_head
from readers.judges.networks import (
    EVERY_S,
    FPS,
    EmotionJudge,
    EmotionJudgeConfig,
    LipJudge,
    LipJudgeConfig,
    save_judge,
)
from readers.judges.points import Points, points_of
from readers.judges.units import EMOTIONS, Columns
from readers.stage import Stage
from readers.variation import Variation
from readers.visemes import viseme_log_probabilities, viseme_table

_AROUND_S = 0.6  # of a stretch: what is said before and after shapes the mouth
_LIKENESS = 0.7  # SD of people's components
_POINTS = 200  # of the skin
_HABIT = 0.03  # SD of expressions that mean nothing, of a sequence and of a moment
_TRACKED_MM = 0.3  # SD of a point's place


@dataclass(frozen=True)
class JudgeTraining:
    """One training run of a judge."""

    batch: int = 8
    """Sequences a step."""
    frames: int = 24
    """Pictures a sequence."""
    fps: float = FPS
    """Pictures a second."""
    sequences: int = 3000
    """Sequences that are acted; each is shown many times, never twice alike."""
    held_out: int = 96
    """Sequences of the voice kept out that figures are told of."""
    validate_every: int = 250
    """Steps between figures on the voice kept out."""
    habits: Habits = field(default_factory=Habits)
    """Of the mouths that speak."""
    width: int = 96
    """Of the network."""
    run: RunConfig = field(
        default_factory=lambda: RunConfig(steps=4000, rate=1.5e-3, decay=1800, seed=4711, sheet_every=0)
    )
    """How it is updated."""


DEFAULTS = {
    # In speech mouths go half as far as in the poses of a chart.
    "lips": JudgeTraining(habits=Habits(0.6, 0.4, (0.020, 0.055))),
    "emotion": JudgeTraining(
        batch=192,
        frames=3,
        fps=1 / EVERY_S,
        sequences=30000,
        held_out=2000,
        habits=Habits(neutral=0.15, mixed=0.45),
        width=256,
        run=RunConfig(steps=4000, rate=2e-3, decay=2500, seed=4711, sheet_every=0),
    ),
}


def line_of(spoken: Utterance, start_s: float, end_s: float) -> Line:
    """The phones of an utterance around a stretch."""
    near = (spoken.end_s > start_s - _AROUND_S) & (spoken.start_s < end_s + _AROUND_S)
    near = near if near.any() else np.arange(len(near)) == 0
    return Line(tuple(PHONES[i] for i in spoken.phones[near]), spoken.start_s[near], spoken.end_s[near])


@dataclass(frozen=True)
class Cast:
    """Faces that act a sequence each, and what is true of them."""

    faces: list[Acted]
    phones: Tensor  # [B, T] into PHONES
    felt: Tensor  # [B, 8]
    shapes: Tensor  # [B, S]


def cast(head: Head, lines: list[Utterance], config: JudgeTraining, random: np.random.Generator, count: int) -> Cast:
    """`count` faces of an ICT head with `lines` to say."""
    columns = Columns(head.arrays.expression_names)
    faces, phones = [], []
    for _ in range(count):
        spoken = lines[random.integers(len(lines))]
        times = random.uniform(0, max(spoken.duration_s - config.frames / config.fps, 0.1))
        times = times + np.arange(config.frames) / config.fps
        line = line_of(spoken, times[0], times[-1])
        faces.append(acted(line, times, columns, random, config.habits))
        names = np.array([PHONE_INDEX[phone] for phone in line.phones] + [PHONE_INDEX["SIL"]])
        phones.append(names[faces[-1].spoken])
    shapes = torch.as_tensor(random.normal(0, _LIKENESS, (count, head.shape_size)).clip(-2, 2)).float()
    felt = torch.as_tensor(np.stack([face.felt for face in faces])).float()
    return Cast(faces, torch.as_tensor(np.stack(phones)).long(), felt, shapes)


def drawn(stage: Stage, lines: list[Utterance], config: JudgeTraining, seed: tuple[int, ...], count: int) -> Sequences:
    """`count` sequences by seed alone, in varied light and clean: pictures, phones into PHONES, what is felt."""
    random = np.random.default_rng(seed)
    who = cast(stage.head, lines, config, random, count)
    look = Variation.random(count, config.frames, int(random.integers(1 << 40))).clean()
    with torch.no_grad():
        params = params_of_acted(who.faces, stage.head, who.shapes)
        framing = stage.framing(who.shapes).repeated(config.frames)
        pictures = stage(stage.vertices(params).flatten(0, 1), framing, look)
    return Sequences(pictures.unflatten(0, (count, config.frames)), who.phones, who.felt)


def train_lip_judge(config: JudgeTraining, folder: Path, file: Path, learnt: list, held: list) -> LipJudge:
    """Train the lip judge on pictures of ICT-FaceKit's mouths, or go on. Returns the averaged network."""
    torch.manual_seed(config.run.seed)
    stage = wide_stage(coarse_judge_head(file), "mouth")
    judge = LipJudge(LipJudgeConfig(PHONES, stage.size - MARGIN, config.width))
    seed = config.run.seed
    stored = drawn_once(lambda number, count: drawn(stage, learnt, config, (seed, number), count), config.sequences)
    kept_out = drawn_once(lambda number, count: drawn(stage, held, config, (8, number), count), config.held_out)
    kept_out = shown(kept_out, torch.arange(config.held_out), 8)

    def figures() -> dict[str, float]:
        with torch.no_grad():
            return phone_figures(judge(kept_out.pictures), kept_out.phones)

    path = folder / "lip_judge.npz"
    return trained(judge, config, pictured(stored, config), partial(_lip_losses, judge), figures, path, save_judge)


def train_emotion_judge(config: JudgeTraining, folder: Path, file: Path, learnt: list, held: list) -> EmotionJudge:
    """Train the emotion judge on ways of ICT-FaceKit's points, or go on. Returns the averaged network."""
    torch.manual_seed(config.run.seed)
    head = judge_head(file)
    judge = EmotionJudge(EmotionJudgeConfig(EMOTIONS, points_of(head, _POINTS), config.width))
    points = Points(head, judge.config.points)
    stored = cast(head, learnt, config, np.random.default_rng(config.run.seed), config.sequences)
    kept_out = cast(head, held, config, np.random.default_rng(8), config.held_out)
    kept_moved = tracked(points, kept_out, torch.arange(config.held_out), 8)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        numbers = batch_numbers(len(stored.faces), config.batch, config.run.seed, step)
        return tracked(points, stored, numbers, (config.run.seed << 32) + step), stored.felt[numbers]

    def figures() -> dict[str, float]:
        with torch.no_grad():
            return _emotion_figures(*judge(kept_moved), kept_out.felt)

    path = folder / "emotion_judge.npz"
    return trained(judge, config, batch, partial(_emotion_losses, judge), figures, path, save_judge)


def tracked(points: Points, who: Cast, numbers: Tensor, seed: int) -> Tensor:
    """[B, T, N, 3] mm that points of some of the faces move, with habits of those people's and a tracker's errors."""
    source = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=source)

    with torch.no_grad():
        params = params_of_acted([who.faces[i] for i in numbers.tolist()], points.head, who.shapes[numbers])
        expression = params.expression
        own = normal(len(numbers), 1, expression.shape[-1]) + normal(*expression.shape)
        moved = points.moved(params.replace(expression=expression + _HABIT * own))
        return moved + _TRACKED_MM * normal(*moved.shape)


def _lip_losses(judge: LipJudge, batch: Sequences) -> dict[str, Tensor]:
    said, phones = judge(batch.pictures).flatten(0, 1), batch.phones.flatten()
    parts = {
        "phones": nll_loss(said, phones),
        "visemes": nll_loss(viseme_log_probabilities(said, PHONES), viseme_table(PHONES)[phones]),
    }
    return {**parts, "total": sum(parts.values())}


def _emotion_losses(judge: EmotionJudge, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    moved, felt = batch
    amount, lead = judge(moved)
    parts = {"lead": cross_entropy(lead, leading(felt)), "amount": 5 * smooth_l1_loss(amount, felt, beta=0.1)}
    return {**parts, "total": sum(parts.values())}


def _emotion_figures(amount: Tensor, lead: Tensor, felt: Tensor) -> dict[str, float]:
    """Shares of faces of which one emotion at 0.5 or more is named, and of which two at 0.4 or more both are."""
    there = felt[:, 1:]
    one = ((there > 0).sum(-1) == 1) & (there.amax(-1) >= 0.5)
    two = (there >= 0.4).sum(-1) == 2
    first, true = lead.topk(2).indices, leading(felt).topk(2).indices
    return {
        "held_out_single": (first[one, 0] == true[one, 0]).float().mean().item(),
        "held_out_mixed": (first[two].sort(-1).values == true[two].sort(-1).values).all(-1).float().mean().item(),
        "held_out_error": (amount - felt).abs().mean().item(),
    }


def leading(felt: Tensor) -> Tensor:
    """Shares [B, 8] of what leads of felt [B, 8]: the emotions that are there, however faint; neutral where none is."""
    felt = torch.cat([(felt[:, 1:].sum(-1, keepdim=True) == 0).to(felt), felt[:, 1:]], -1)
    return felt / felt.sum(-1, keepdim=True)


def main(arguments: list[str]) -> int:
    if len(arguments) not in (3, 4) or arguments[0] not in DEFAULTS:
        sys.exit(__doc__)
    kind, file, folder = arguments[0], Path(arguments[1]), Path(arguments[2])
    config = DEFAULTS[kind]
    if arguments[3:]:
        config = read_config(config, Path(arguments[3]))
    torch.set_num_threads(config.run.threads)
    learnt, held = load_corpus([corpus_folder() / "aligned", corpus_folder() / "synthetic"])
    {"lips": train_lip_judge, "emotion": train_emotion_judge}[kind](config, folder, file, learnt, held)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
