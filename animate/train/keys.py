"""Trains key motions and their completion (animate.keys) on a corpus (animate.corpus) whose phones are known.

`emberface train keys` runs it; what it leaves in its folder beside `keys.npz` is said in learning.run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate.batches import Batch, Crops
from animate.corpus import Corpus
from animate.keys import KeysConfig, KeysToMotion
from animate.losses.motion import motion_losses
from animate.losses.vertices import SparseFace
from animate.model import Conditions
from animate.moments import Spacing, moments, tier_of
from animate.network_file import save_keys
from animate.train.animate import styles
from animate.train.sheet import frame_sheet
from flame_tools.errors import InputError
from flame_tools.head import Head
from learning import processes
from learning.config import sizes_of
from learning.run import Progress, Run, RunConfig, go_on


@dataclass(frozen=True)
class KeysTraining:
    """One training run of key motions."""

    batch: int = 12
    """Crops a step."""
    seconds: float = 4.0
    """Length of a crop."""
    motion: float = 0.5
    """Weight of the motion rows' squared error in deviations, beside the vertices' mm^2."""
    velocity: float = 2.0
    """Weight of the vertices' steps, mm^2 a frame."""
    contact: float = 1.0
    """Weight of the lips' gaps where they are to be small, mm^2."""
    keys: float = 1.0
    """Weight of all that at the predicted keys alone, beside the same over all frames."""
    true_keys: float = 0.5
    """Share of the crops that are completed from true keys; the others from predicted ones."""
    pinned: float = 0.2
    """Share of the keys that are given to the first network, in half of the crops."""
    from_reference: float = 0.4
    """Share of the crops whose style is taken from another crop of the speaker."""
    from_nobody: float = 0.2
    """Share of the crops without a style."""
    network: dict = field(default_factory=dict)
    """What differs from KeysConfig."""
    run: RunConfig = field(default_factory=RunConfig)
    """How it is updated."""


def key_frames(batch: Batch, fps: float, spacing: Spacing) -> Tensor:
    """Key moments [B, T] bool of the phones of a batch."""
    keys = torch.zeros(batch.phones.shape, dtype=torch.bool)
    for row, said in zip(keys, batch.phones.cpu().numpy(), strict=True):
        row[torch.from_numpy(moments(tier_of(said, fps), len(said), fps, spacing))] = True
    return keys.to(batch.phones.device)


def losses(
    network: KeysToMotion,
    batch: Batch,
    keys: Tensor,  # [B, T] bool
    style: Tensor,
    draws: np.ndarray,  # [B, 2 + T] in [0, 1)
    config: KeysTraining,
    face: SparseFace,
) -> dict[str, Tensor]:
    """Parts of the loss of a batch: of the keys that are predicted and of the motion that is completed."""
    draw = torch.as_tensor(draws, device=keys.device)
    pinned = keys & (draw[:, 2:] < config.pinned) & (draw[:, :1] < 0.5)
    given = torch.where(pinned[..., None], batch.motion, torch.nan)
    conditions = Conditions(batch.emotion, style)
    predicted, state = network.predict(batch.features, conditions, batch.phones, keys, given)
    from_true = (draw[:, 1] < config.true_keys)[:, None, None]
    completed = network.complete(state, keys, torch.where(from_true, batch.motion, predicted))
    true, measured = batch.motion, (face, network.scale, config)
    shown = face(true)
    whole = motion_losses(completed.float(), true, batch.mask, *measured, shown=shown)
    at_keys = motion_losses(predicted.float(), true, batch.mask & keys, *measured, shown=shown)
    parts = {f"keys_{name}": config.keys * value for name, value in at_keys.items() if name != "velocity"} | whole
    return {**parts, "total": sum(parts.values())}


def started(config: KeysTraining, corpus: Corpus) -> KeysToMotion:
    """A new network: motion of the corpus comes to mean 0 and deviation 1."""
    if all((clip.phones < 0).all() for clip in corpus.clips):
        raise InputError("no clip of the corpus has phones, and keys stand at phones; give its tracks a 'phones' tier")
    torch.manual_seed(config.run.seed)
    clip = corpus.clips[0]
    sizes = KeysConfig(clip.features.shape[1], clip.motion.shape[1], len(corpus.speakers))
    network = KeysToMotion(sizes_of(sizes, config.network, decided=("features", "motion", "speakers")))
    motion = torch.cat([torch.as_tensor(clip.motion).float() for clip in corpus.clips])
    network.scale.fit(motion)
    network.style_encoder.scale.fit(motion)
    return network


def train_keys(
    config: KeysTraining, corpus: Corpus, head: Head, folder: Path, *, progress: Progress | None = None
) -> KeysToMotion:
    """Train, or go on training, in `folder`. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    network = started(config, corpus)
    crops = Crops(corpus, config.seconds, config.run.seed)
    face = SparseFace(head, config.run.device)

    def step(run: Run) -> dict[str, Tensor]:
        part = processes.part_of(config.batch)
        batch = crops.batch(config.batch, run.step, part).to(config.run.device)
        rng = np.random.default_rng((config.run.seed, run.step, 2))
        draws = rng.random((config.batch, 3 + crops.length))[part]
        keys = key_frames(batch, corpus.fps, network.config.spacing)
        with run.autocast():
            style = styles(network, batch, config, draws[:, 0])
            return losses(network, batch, keys, style, draws[:, 1:], config, face)

    def sheet(run: Run) -> np.ndarray:
        batch = crops.batch(1, 0).to(config.run.device)
        keys = key_frames(batch, corpus.fps, network.config.spacing)
        conditions = Conditions(batch.emotion, network.styles(batch.speaker)[:, None])
        predicted, state = network.predict(batch.features, conditions, batch.phones, keys)
        return frame_sheet(head, batch.motion[0], network.complete(state, keys, predicted)[0])

    run = Run(network, config.run)
    go_on(run, step, folder, sheet=sheet, progress=progress)
    network.load_state_dict(run.average)
    if processes.rank() == 0:
        save_keys(network.eval(), folder / "keys.npz", encoder=corpus.encoder, fps=corpus.fps, head_id=corpus.head_id)
    return network.eval()
