"""Trains the networks that look at faces (readers.mouth, readers.emotion) on drawn performances of the teacher.

python -m animate.train.readers mouth|emotion FOLDER [CONFIG.json]

Speech with true phone times comes from the speech corpus (python -m tools.speech_corpus). FOLDER takes `state.pt`,
`log.jsonl` with figures on the voice kept out, and, at the end, `mouth_reader.npz` or `emotion_reader.npz`. Run it
again with the same words and it goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, nll_loss, smooth_l1_loss

from animate.emotion import EMOTIONS
from animate.encoder.corpus import PHONES, corpus_folder, load_corpus
from animate.train.performances import Performances, kept
from animate.train.pictures import Sequences, batch_numbers, drawn_once, shown, wide_stage
from assets.locate import cache_folder
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.load import load_head
from flame_tools.transfer.motion import params_of
from learning.config import read_config
from learning.run import Run, RunConfig, go_on
from readers.coarse import coarse
from readers.emotion import EmotionConfig, EmotionReader, save_emotion_reader
from readers.mouth import MouthConfig, MouthReader, save_mouth_reader
from readers.stage import Stage
from readers.variation import Variation
from readers.visemes import viseme_log_probabilities, viseme_table


@dataclass(frozen=True)
class ReaderTraining:
    """One training run of a reader."""

    batch: int = 8
    """Sequences a step."""
    frames: int = 24
    """Pictures a sequence."""
    every: int = 1
    """Frames at 30 a second from one picture to the next."""
    sequences: int = 2500
    """Sequences that are drawn; each is shown many times, never twice alike."""
    held_out: int = 96
    """Sequences of the voice kept out that figures are told of."""
    validate_every: int = 250
    """Steps between figures on the voice kept out."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=1500, rate=2e-3, decay=700, sheet_every=0))
    """How it is updated."""


DEFAULTS = {
    "mouth": ReaderTraining(),
    "emotion": ReaderTraining(
        batch=24,
        frames=3,
        every=15,
        sequences=6000,
        held_out=320,
        run=RunConfig(steps=2000, rate=2e-3, decay=900, sheet_every=0),
    ),
}


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
        framing = stage.framing(shape).repeated(frames)
        pictures = stage(stage.vertices(params).flatten(0, 1), framing, variation)
    phones = torch.as_tensor(takes.phones[rows].astype(np.int64))
    return Sequences(
        pictures.unflatten(0, (len(numbers), frames)), phones, torch.as_tensor(takes.felt[numbers]).float()
    )


def random_takes(
    stage: Stage, takes: Performances, config: ReaderTraining, seed: tuple[int, ...], count: int
) -> Sequences:
    """`count` sequences from anywhere in the takes, in varied light and clean, by seed alone."""
    random = np.random.default_rng(seed)
    numbers = random.integers(len(takes), size=count)
    room = np.diff(takes.start)[numbers] - config.every * (config.frames - 1)
    firsts = (random.random(count) * np.maximum(room, 1)).astype(int)
    look = Variation.random(count, config.frames, int(random.integers(1 << 40))).clean()
    return drawn(stage, takes, numbers, firsts, config.frames, config.every, look)


def train_mouth(config: ReaderTraining, folder: Path, head: Head, takes: Performances, held: Performances):
    """Train a MouthReader, or go on. Returns the averaged network."""
    reader = MouthReader(MouthConfig(PHONES))

    def losses(batch: Sequences) -> dict[str, Tensor]:
        said = reader(batch.pictures).log_probabilities.flatten(0, 1)
        phones = nll_loss(said, batch.phones.flatten())
        visemes = nll_loss(viseme_log_probabilities(said, PHONES), viseme_table(PHONES)[batch.phones.flatten()])
        return {"phones": phones, "visemes": visemes, "total": phones + visemes}

    stage = wide_stage(coarse(head), "mouth")
    stored, kept_out = _stored(stage, config, takes, held)
    figures = partial(mouth_figures, reader, kept_out)
    path = folder / "mouth_reader.npz"
    return trained(reader, config, pictured(stored, config), losses, figures, path, save_mouth_reader)


def train_emotion(config: ReaderTraining, folder: Path, head: Head, takes: Performances, held: Performances):
    """Train an EmotionReader, or go on. Returns the averaged network."""
    reader = EmotionReader(EmotionConfig(EMOTIONS))

    def losses(batch: Sequences) -> dict[str, Tensor]:
        read = reader(batch.pictures)
        lead = cross_entropy(read.logits, batch.felt / batch.felt.sum(-1, keepdim=True))
        amount = 5 * smooth_l1_loss(read.intensities, batch.felt, beta=0.1)
        return {"lead": lead, "amount": amount, "total": lead + amount}

    stage = wide_stage(coarse(head), "face")
    stored, kept_out = _stored(stage, config, takes, held)
    figures = partial(emotion_figures, reader, kept_out)
    path = folder / "emotion_reader.npz"
    return trained(reader, config, pictured(stored, config), losses, figures, path, save_emotion_reader)


def _stored(stage: Stage, config: ReaderTraining, takes: Performances, held: Performances):
    """Pictures to learn from, and those of the voice kept out as they are shown for figures."""
    stored = drawn_once(
        lambda number, count: random_takes(stage, takes, config, (config.run.seed, number), count), config.sequences
    )
    kept_out = drawn_once(lambda number, count: random_takes(stage, held, config, (7, number), count), config.held_out)
    return stored, shown(kept_out, torch.arange(config.held_out), 7)


def mouth_figures(reader: MouthReader, batch: Sequences) -> dict[str, float]:
    """`phone_figures` of what a reader says."""
    with torch.no_grad():
        return phone_figures(reader(batch.pictures).log_probabilities, batch.phones)


def phone_figures(said: Tensor, phones: Tensor) -> dict[str, float]:
    """Shares of frames whose phone and viseme log-probabilities [..., 41] name, of the true phones [...]."""
    visemes = viseme_log_probabilities(said, PHONES).argmax(-1)
    return {
        "held_out_phones": (said.argmax(-1) == phones).float().mean().item(),
        "held_out_visemes": (visemes == viseme_table(PHONES)[phones]).float().mean().item(),
    }


def emotion_figures(reader: EmotionReader, batch: Sequences) -> dict[str, float]:
    """`emotion_leads` of what a reader says."""
    with torch.no_grad():
        read = reader(batch.pictures)
    return emotion_leads(read.logits, read.intensities, batch.felt)


def emotion_leads(logits: Tensor, intensities: Tensor, felt: Tensor) -> dict[str, float]:
    """Share of sequences whose leading emotion is named, and the mean error of intensities [B, 8]."""
    return {
        "held_out_lead": (logits.argmax(-1) == felt.argmax(-1)).float().mean().item(),
        "held_out_error": (intensities - felt).abs().mean().item(),
    }


def pictured(stored: Sequences, config) -> Callable[[int], Sequences]:
    """The batch of a step: stored pictures as cameras deliver them."""

    def batch(step: int) -> Sequences:
        numbers = batch_numbers(len(stored.pictures), config.batch, config.run.seed, step)
        return shown(stored, numbers, (config.run.seed << 32) + step)

    return batch


def trained(network, config, batch: Callable[[int], Sequences], losses, figures, path: Path, save):
    """Train a network on the batches of its steps to its end; its averaged weights are saved at `path`."""
    if config.run.device != "cpu":
        raise InputError(f"run.device is {config.run.device}; readers learn from pictures on the CPU: leave it out")
    run = Run(network, config.run)

    def step(run: Run) -> dict[str, Tensor]:
        with run.autocast():
            return losses(batch(run.step))

    def validate(run: Run) -> dict[str, float]:
        young = {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(run.average)
        network.eval()
        found = figures()
        network.load_state_dict(young)
        network.train()
        return found

    network.train()
    go_on(run, step, path.parent, validate=validate, validate_every=config.validate_every)
    network.load_state_dict(run.average)
    save(network.eval(), path)
    return network


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
