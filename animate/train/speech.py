"""Trains `emberface-speech` on the corpus that tools/speech_corpus builds.

`emberface train speech` runs it; what it leaves in its folder beside `encoder.npz` is said in learning.run. The
learning rate is level until the last `decay` steps, so that more steps can be added to a run that has not begun to
decay (`level.pt` is its last state before).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate.encoder.corpus import corpus_folder, load_corpus
from animate.encoder.data import NOTHING, AugmentConfig, Batch, Item, batch, items
from animate.encoder.decode import bigram
from animate.encoder.features import log_mel
from animate.encoder.losses import LossConfig, losses
from animate.encoder.model import EncoderConfig, SpeechEncoder
from animate.encoder.validate import Validation, validate
from animate.encoder.weights import load_weights, save_weights
from flame_tools.errors import InputError
from learning import processes
from learning.run import Progress, Run, RunConfig, go_on


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    parts: dict[str, float] = field(default_factory=lambda: {"aligned": 0.5, "recognised": 0.3, "synthetic": 0.2})
    """Folders of the corpus and the share of crops that comes from each."""
    batch: int = 12
    """Crops a step."""
    seconds: float = 4.0
    """Length of a crop."""
    live: float = 0.4
    """Share of the steps that look only as far ahead as a stream does."""
    masks: int = 2
    """Stretches of bands and of time that are hidden from each crop (SpecAugment, Park et al. 2019)."""
    validate_every: int = 200
    """Steps between validations."""
    start: str = ""
    """File of weights to begin with, such as an encoder.npz that is to learn more; empty: from nothing."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The network."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How crops are changed."""
    loss: LossConfig = field(default_factory=LossConfig)
    """What counts how much."""
    run: RunConfig = field(default_factory=lambda: RunConfig(weight_decay=0.02))
    """How it is updated."""

    def __post_init__(self):
        shares = self.parts.values()
        if not all(type(share) in (int, float) and 0 <= share < math.inf for share in shares) or not sum(shares) > 0:
            raise InputError(f"parts is {self.parts!r}; wanted shares of 0 or more, of which one is more")
        if not (0 < self.seconds < math.inf and self.validate_every > 0):
            raise InputError(
                f"seconds are {self.seconds:g} and validate_every is {self.validate_every}; wanted more than 0 of each"
            )


def started(config: TrainConfig, pool: list[Item], weights: np.ndarray) -> Run:
    """A run at step 0: bands of log-mel come to mean 0 and deviation 1 over the first crops."""
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    if config.start:
        encoder = load_weights(Path(config.start)).train()
        if encoder.config != config.encoder:
            raise InputError(f"{config.start} is of a network {encoder.config}, the config asks for {config.encoder}")
        return Run(encoder, config.run)
    encoder = SpeechEncoder(config.encoder)
    first = batch(pool, weights, 32, config.seconds, config.augment, seed=config.run.seed, step=0)
    mel = log_mel(first.samples).flatten(0, 1)
    encoder.mean.copy_(mel.mean(0))
    encoder.sd.copy_(mel.std(0).clamp(min=0.1))
    encoder.changes.copy_(torch.from_numpy(bigram(item.spoken for item in pool)))
    return Run(encoder, config.run)


def losses_of(run: Run, config: TrainConfig, pool: list[Item], weights: np.ndarray) -> dict[str, Tensor]:
    """The parts of the loss of the run's next step, and their total."""
    seed, part = config.run.seed, processes.part_of(config.batch)
    drawn = batch(pool, weights, config.batch, config.seconds, config.augment, seed=seed, step=run.step, part=part)
    drawn = Batch(*(value.to(config.run.device) for value in vars(drawn).values()))
    rng = np.random.default_rng((seed, run.step))
    mel = log_mel(drawn.samples)
    hidden = _hidden(config.batch, config.masks, *mel.shape[1:], rng)
    ahead = config.encoder.live_ahead if rng.random() < config.live else None
    with run.autocast():
        heard = run.model(_masked(mel, run.model.mean, hidden[part]), ahead)
    frames = drawn.phones.shape[1]  # a crop's last sample has a frame of its own
    return losses(type(heard)(*(value[:, :frames] for value in vars(heard).values())), drawn, config.loss)


def averaged(run: Run, config: TrainConfig) -> SpeechEncoder:
    """The encoder with the run's averaged weights."""
    encoder = SpeechEncoder(config.encoder)
    encoder.load_state_dict(run.average)
    return encoder.eval()


def _hidden(batch: int, count: int, frames: int, bands: int, rng: np.random.Generator) -> np.ndarray:
    """Stretches to hide [batch, count, 4]: the first band and how many, the first frame and how many."""
    stretches = np.empty((batch, count, 4), int)
    for stretch in stretches.reshape(-1, 4):
        wide, long = rng.integers(0, 14), rng.integers(0, 10)
        stretch[:] = rng.integers(0, bands - wide), wide, rng.integers(0, frames - long), long
    return stretches


def _masked(mel: Tensor, mean: Tensor, hidden: np.ndarray) -> Tensor:
    """Mel [B, F, M] with stretches of bands and of time at the mean."""
    mel = mel.clone()
    for row, stretches in zip(mel, hidden, strict=True):
        for low, wide, first, long in stretches:
            row[:, low : low + wide] = mean[low : low + wide]
            row[first : first + long] = mean
    return mel


def shares(pool: list[Item], folders: dict[str, set[str]], parts: dict[str, float]) -> np.ndarray:
    """Chance [len(pool)] of each item: its part's share, spread over the part by length."""
    chances = np.zeros(len(pool))
    for part, share in parts.items():
        lengths = np.array([item.spoken.duration_s * (item.spoken.name in folders[part]) for item in pool])
        chances += share * lengths / max(lengths.sum(), 1e-9)
    return chances / chances.sum()


def train(
    config: TrainConfig,
    folder: Path,
    *,
    corpus: Path | None = None,  # with a folder for each part; by default where tools/speech_corpus puts it
    overfit: int = 0,
    progress: Progress | None = None,
) -> Validation:
    """Train, or go on training, in `folder`. `overfit` > 0 learns that many utterances by heart, unchanged."""
    corpus = corpus or corpus_folder()
    folders = {part: corpus / part for part in config.parts}
    learnt, kept = load_corpus(folders.values())
    names = {part: {path.stem for path in at.glob("[!.]*.npz")} for part, at in folders.items()}
    if missing := [str(folders[part]) for part, at in names.items() if config.parts[part] and not at]:
        raise InputError(
            f"no utterance in {', '.join(missing)}; build it with python -m tools.speech_corpus, or leave it out of "
            "`parts`"
        )
    if overfit:
        learnt = kept = learnt[:overfit]
        config = dataclasses.replace(config, augment=NOTHING, masks=0, live=0.0)
    pool = items(learnt, corpus / "prosody")
    weights = shares(pool, names, config.parts)
    run, found = started(config, pool, weights), {}

    def measured(run: Run) -> dict:
        found[run.step] = validate(averaged(run, config), kept)
        return dataclasses.asdict(found[run.step])

    go_on(
        run,
        partial(losses_of, config=config, pool=pool, weights=weights),
        folder,
        validate=measured,
        validate_every=config.validate_every,
        progress=progress,
    )
    encoder = averaged(run, config)
    if processes.rank() == 0:
        save_weights(encoder, folder / "encoder.npz")
    return found[run.step] if run.step in found else validate(encoder, kept)
