"""Trains the networks that look at faces (readers.mouth, readers.emotion) on drawn performances of the teacher.

python -m animate.train.readers mouth|emotion FOLDER [CONFIG.json]

Speech with true phone times comes from the speech corpus (python -m tools.speech_corpus). FOLDER takes `state.pt`,
`log.jsonl` with figures on the voice kept out, and, at the end, `mouth_reader.npz` or `emotion_reader.npz`. Run it
again with the same words and it goes on.
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

from animate.emotion import EMOTIONS
from animate.encoder.corpus import PHONES, corpus_folder, load_corpus
from animate.train.config import read_config
from animate.train.performances import Performances, kept
from animate.train.run import Run, RunConfig, go_on
from assets.locate import cache_folder
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.load import load_head
from flame_tools.surface.lod import simplify
from flame_tools.transfer.motion import params_of
from readers.emotion import EmotionConfig, EmotionReader, save_emotion_reader
from readers.mouth import MouthConfig, MouthReader, save_mouth_reader
from readers.stage import Stage
from readers.variation import Variation
from readers.visemes import viseme_log_probabilities, viseme_table

COARSE = {"mouth": 0.4, "face": 0.4}  # share of the head's triangles that small pictures need


@dataclass(frozen=True)
class ReaderTraining:
    """One training run of a reader."""

    batch: int = 8
    """Sequences a step."""
    frames: int = 24
    """Pictures a sequence."""
    every: int = 1
    """Frames at 30 a second from one picture to the next."""
    validate_every: int = 250
    """Steps between figures on the voice kept out."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=1500, rate=2e-3, decay=700, sheet_every=0))
    """How it is updated."""


DEFAULTS = {
    "mouth": ReaderTraining(),
    "emotion": ReaderTraining(batch=24, frames=3, every=15),
}


@dataclass(frozen=True)
class Sequences:
    """Pictures that were drawn, and what is true of them."""

    pictures: Tensor  # [B, T, H, W]
    phones: Tensor  # [B, T] into PHONES
    felt: Tensor  # [B, 8]


def drawn(
    stage: Stage,
    takes: Performances,
    numbers: np.ndarray,  # [B] takes
    firsts: np.ndarray,  # [B] first frame of each, in its take
    frames: int,
    every: int = 1,
    variation: Variation | None = None,
) -> Sequences:
    """Stretches of takes on the stage; where a take ends its last frame stays."""
    ends = takes.start[numbers + 1] - 1
    rows = takes.start[numbers][:, None] + firsts[:, None] + every * np.arange(frames)
    rows = np.minimum(rows, ends[:, None])
    shape = torch.as_tensor(takes.shape[numbers]).float()
    with torch.no_grad():
        params = params_of(takes.motion[rows].astype(np.float32), stage.head).replace(shape=shape[:, None])
        framing = stage.framing(shape)
        framing = type(framing)(*(value.repeat_interleave(frames, 0) for value in (framing.centre, framing.half)))
        pictures = stage(stage.vertices(params).flatten(0, 1), framing, variation)
    phones = torch.as_tensor(takes.phones[rows].astype(np.int64))
    return Sequences(
        pictures.unflatten(0, (len(numbers), frames)), phones, torch.as_tensor(takes.felt[numbers]).float()
    )


def random_batch(
    stage: Stage, takes: Performances, config: ReaderTraining, seed: tuple[int, ...], *, strength: float = 1.0
) -> Sequences:
    """Sequences from anywhere in the takes, by seed alone."""
    random = np.random.default_rng(seed)
    numbers = random.integers(len(takes), size=config.batch)
    room = np.diff(takes.start)[numbers] - config.every * (config.frames - 1)
    firsts = (random.random(config.batch) * np.maximum(room, 1)).astype(int)
    look = None
    if strength > 0:
        look = Variation.random(config.batch, config.frames, int(random.integers(1 << 40)), strength=strength)
    return drawn(stage, takes, numbers, firsts, config.frames, config.every, look)


def train_mouth(config: ReaderTraining, folder: Path, head: Head, takes: Performances, held: Performances):
    """Train a MouthReader, or go on. Returns the averaged network."""
    stage = Stage(Head(simplify(head.arrays, ratio=COARSE["mouth"])), "mouth")
    reader = MouthReader(MouthConfig(PHONES, size=stage.size))

    def losses(run: Run) -> dict[str, Tensor]:
        batch = random_batch(stage, takes, config, (config.run.seed, run.step))
        said = reader(batch.pictures).log_probabilities.flatten(0, 1)
        phones = nll_loss(said, batch.phones.flatten())
        visemes = nll_loss(viseme_log_probabilities(said, PHONES), viseme_table(PHONES)[batch.phones.flatten()])
        return {"phones": phones, "visemes": visemes, "total": phones + visemes}

    figures = partial(mouth_figures, reader, random_batch(stage, held, ReaderTraining(batch=60, frames=40), (7,)))
    return _trained(reader, config, losses, figures, folder / "mouth_reader.npz", save_mouth_reader)


def train_emotion(config: ReaderTraining, folder: Path, head: Head, takes: Performances, held: Performances):
    """Train an EmotionReader, or go on. Returns the averaged network."""
    stage = Stage(Head(simplify(head.arrays, ratio=COARSE["face"])), "face")
    reader = EmotionReader(EmotionConfig(EMOTIONS, size=stage.size))

    def losses(run: Run) -> dict[str, Tensor]:
        batch = random_batch(stage, takes, config, (config.run.seed, run.step))
        read = reader(batch.pictures)
        lead = cross_entropy(read.logits, batch.felt / batch.felt.sum(-1, keepdim=True))
        amount = smooth_l1_loss(read.intensities, batch.felt, beta=0.1)
        return {"lead": lead, "amount": amount, "total": lead + 5 * amount}

    shown = random_batch(stage, held, ReaderTraining(batch=240, frames=3, every=15), (7,))
    figures = partial(emotion_figures, reader, shown)
    return _trained(reader, config, losses, figures, folder / "emotion_reader.npz", save_emotion_reader)


def mouth_figures(reader: MouthReader, batch: Sequences) -> dict[str, float]:
    """Shares of frames whose phone and viseme are named."""
    with torch.no_grad():
        said = reader(batch.pictures).log_probabilities
    visemes = viseme_log_probabilities(said, PHONES).argmax(-1)
    return {
        "held_out_phones": (said.argmax(-1) == batch.phones).float().mean().item(),
        "held_out_visemes": (visemes == viseme_table(PHONES)[batch.phones]).float().mean().item(),
    }


def emotion_figures(reader: EmotionReader, batch: Sequences) -> dict[str, float]:
    """Share of sequences whose leading emotion is named, and the mean error of intensities."""
    with torch.no_grad():
        read = reader(batch.pictures)
    return {
        "held_out_lead": (read.logits.argmax(-1) == batch.felt.argmax(-1)).float().mean().item(),
        "held_out_error": (read.intensities - batch.felt).abs().mean().item(),
    }


def _trained(reader, config: ReaderTraining, losses, figures, path: Path, save):
    run = Run(reader, config.run)

    def validate(run: Run) -> dict[str, float]:
        young = {name: value.clone() for name, value in reader.state_dict().items()}
        reader.load_state_dict(run.average)
        reader.eval()
        found = figures()
        reader.load_state_dict(young)
        reader.train()
        return found

    reader.train()
    go_on(run, losses, path.parent, validate=validate, validate_every=config.validate_every)
    reader.load_state_dict(run.average)
    save(reader.eval(), path)
    return reader


def takes_of(head: Head) -> tuple[Performances, Performances]:
    """Performances to learn from and those of the voice kept out, from the cache or made now."""
    learnt, held = load_corpus([corpus_folder() / "aligned", corpus_folder() / "synthetic"])
    folder = cache_folder() / "readers"
    return kept(folder / "train.npz", head, learnt), kept(folder / "held_out.npz", head, held, takes=1, seed=1)


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3) or arguments[0] not in DEFAULTS:
        sys.exit(__doc__)
    config = DEFAULTS[arguments[0]]
    if arguments[2:]:
        config = read_config(config, Path(arguments[2]))
    if config.batch < 1 or config.frames < 1 or config.every < 1:
        found = f"{config.batch}, {config.frames} and {config.every}"
        raise InputError(f"batch, frames and every are {found}; wanted at least one of each")
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    head = load_head()
    train = {"mouth": train_mouth, "emotion": train_emotion}[arguments[0]]
    train(config, Path(arguments[1]), head, *takes_of(head))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
