"""Trains speech to motion on a corpus (animate.corpus), into the latents of a trained prior or directly.

`emberface train animate` runs it; what it leaves in its folder beside `model.npz` is said in learning.run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate.batches import Batch, Crops
from animate.corpus import Corpus
from animate.losses.motion import motion_losses
from animate.losses.vertices import SparseFace
from animate.model import Conditions, ModelConfig, SpeechToMotion
from animate.network_file import load_prior, save_model
from animate.train.exchange import Exchange, ExchangeConfig
from animate.train.sheet import frame_sheet
from flame_tools.errors import InputError
from flame_tools.head import Head
from learning import processes
from learning.config import sizes_of
from learning.run import Progress, Run, RunConfig, go_on


@dataclass(frozen=True)
class AnimateTraining:
    """One training run of speech to motion."""

    prior: str = ""
    """File of a trained prior; empty: motion is answered directly."""
    batch: int = 12
    """Crops a step."""
    seconds: float = 4.0
    """Length of a crop."""
    live: float = 0.25
    """Share of the steps that look only as far ahead as a stream does."""
    motion: float = 0.5
    """Weight of the motion rows' squared error in deviations, beside the vertices' mm^2."""
    velocity: float = 2.0
    """Weight of the vertices' steps, mm^2 a frame."""
    contact: float = 1.0
    """Weight of the lips' gaps where they are to be small, mm^2."""
    from_reference: float = 0.4
    """Share of the crops whose style is taken from another crop of the speaker."""
    from_nobody: float = 0.2
    """Share of the crops without a style."""
    exchange: ExchangeConfig = field(default_factory=ExchangeConfig)
    """What readers of faces ask for, and emotions exchanged among crops."""
    network: dict = field(default_factory=dict)
    """What differs from ModelConfig."""
    run: RunConfig = field(default_factory=RunConfig)
    """How it is updated."""


def train_animate(
    config: AnimateTraining, corpus: Corpus, head: Head, folder: Path, *, progress: Progress | None = None
) -> SpeechToMotion:
    """Train, or go on training, in `folder`. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    clip = corpus.clips[0]
    sizes = ModelConfig(clip.features.shape[1], clip.motion.shape[1], len(corpus.speakers))
    sizes = sizes_of(sizes, config.network, decided=("features", "motion", "speakers"))
    prior = load_prior(Path(config.prior), fps=corpus.fps, head_id=corpus.head_id) if config.prior else None
    model = SpeechToMotion(sizes, prior)
    motion = torch.cat([torch.as_tensor(clip.motion).float() for clip in corpus.clips])
    model.style_encoder.scale.fit(motion)
    if model.prior is None:
        model.scale.fit(motion)
    scale = model.style_encoder.scale
    crops = Crops(corpus, config.seconds, config.run.seed)
    face = SparseFace(head, config.run.device)
    exchange = Exchange(head, config.exchange) if config.exchange.looks else None
    if exchange is not None and config.exchange.swapped and config.batch < 2 * processes.count():
        raise InputError(f"a batch of {config.batch} is too few to exchange emotions in; wanted two crops a process")

    def losses(run: Run) -> dict[str, Tensor]:
        part = processes.part_of(config.batch)
        batch = crops.batch(config.batch, run.step, part).to(config.run.device)
        rng = np.random.default_rng((config.run.seed, run.step, 2))
        draws = rng.random(config.batch)[part]
        ahead = model.live if rng.random() < config.live else None
        with run.autocast():
            style = styles(model, batch, config, draws)
            found = model(batch.features, Conditions(batch.emotion, style), ahead)
        parts = motion_losses(found, batch.motion, batch.mask, face, scale, config)
        if exchange is not None and run.step >= config.exchange.begin:
            rng = np.random.default_rng((config.run.seed, run.step, 3, processes.rank()))
            parts |= exchange(model, found, batch, style, rng)
        return {**parts, "total": sum(parts.values())}

    def sheet(run: Run) -> np.ndarray:
        batch = crops.batch(1, 0).to(config.run.device)
        found = model(batch.features, Conditions(batch.emotion, model.styles(batch.speaker)[:, None]))
        return frame_sheet(head, batch.motion[0], found[0])

    run = Run(model, config.run)
    go_on(run, losses, folder, sheet=sheet, progress=progress)
    model.load_state_dict(run.average)
    if processes.rank() == 0:
        save_model(model.eval(), folder / "model.npz", encoder=corpus.encoder, fps=corpus.fps, head_id=corpus.head_id)
    return model.eval()


def styles(
    model: SpeechToMotion,
    batch: Batch,
    config: AnimateTraining,
    draws: np.ndarray,  # [B] in [0, 1)
) -> Tensor:
    """A style [B, 1, 128] for each crop: by name, from a reference, or nobody's."""
    draw = torch.as_tensor(draws, device=batch.speaker.device)[:, None]
    named, shown = model.styles(batch.speaker), model.style_encoder(batch.reference)
    style = torch.where(draw < config.from_reference, shown, named)
    return torch.where(draw >= 1 - config.from_nobody, torch.zeros_like(style), style)[:, None]
