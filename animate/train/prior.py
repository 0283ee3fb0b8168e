"""Trains the motion prior on a corpus (animate.corpus).

`emberface train prior` runs it; what it leaves in its folder beside `prior.npz` is said in learning.run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate.batches import Crops
from animate.corpus import Corpus
from animate.losses.masked import masked_mean
from animate.losses.velocity import velocity_loss
from animate.losses.vertices import SparseFace, vertex_loss
from animate.network_file import save_prior
from animate.prior import Prior, PriorConfig
from animate.train.sheet import frame_sheet
from flame_tools.head import Head
from learning import processes
from learning.config import sizes_of
from learning.run import Progress, Run, RunConfig, go_on


@dataclass(frozen=True)
class PriorTraining:
    """One training run of the prior."""

    batch: int = 32
    """Crops a step."""
    frames: int = 32
    """Length of a crop."""
    cost: float = 1e-3
    """Weight of the KL divergence, or of the distance to the codes, beside mm^2."""
    motion: float = 1.0
    """Weight of the motion rows' squared error in deviations: what vertices do not show (gaze, neck)."""
    velocity: float = 2.0
    """Weight of the vertices' steps, mm^2 a frame."""
    network: dict = field(default_factory=dict)
    """What differs from PriorConfig."""
    run: RunConfig = field(default_factory=RunConfig)
    """How it is updated."""


def train_prior(
    config: PriorTraining, corpus: Corpus, head: Head, folder: Path, *, progress: Progress | None = None
) -> Prior:
    """Train, or go on training, in `folder`. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    prior = Prior(sizes_of(PriorConfig(corpus.clips[0].motion.shape[1]), config.network, decided=("motion",)))
    prior.scale.fit(torch.cat([torch.as_tensor(clip.motion).float() for clip in corpus.clips]))
    crops = Crops(corpus, config.frames / corpus.fps, config.run.seed)
    face = SparseFace(head, config.run.device)

    def losses(run: Run) -> dict[str, Tensor]:
        batch = crops.batch(config.batch, run.step, processes.part_of(config.batch)).to(config.run.device)
        with run.autocast():
            back = prior(batch.motion, run.generator())
        found, wanted = face(back.motion), face(batch.motion)
        error = (prior.scale(back.motion) - prior.scale(batch.motion)).square().mean(-1)
        parts = {
            "vertices": vertex_loss(found, wanted, face.weights, batch.mask),
            "motion": config.motion * masked_mean(error, batch.mask),
            "velocity": config.velocity * velocity_loss(found, wanted, batch.mask),
            "cost": config.cost * back.cost,
        }
        return {**parts, "total": sum(parts.values())}

    def sheet(run: Run) -> np.ndarray:
        wanted = crops.batch(1, 0).motion.to(config.run.device)
        return frame_sheet(head, wanted[0], prior(wanted).motion[0])

    run = Run(prior, config.run)
    go_on(run, losses, folder, sheet=sheet, progress=progress)
    prior.load_state_dict(run.average)
    if processes.rank() == 0:
        save_prior(prior.eval(), folder / "prior.npz", fps=corpus.fps, head_id=corpus.head_id)
    return prior.eval()
