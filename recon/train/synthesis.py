"""SMIRK's scheme on made crops: a face is drawn grey from what the encoder reads, painted as the photo, and read again.

After Retsinas et al. 2024. First landmarks alone teach the encoder; then all that `recon.train.paths` has and the
config gives a weight.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from flame_tools.head import Head
from learning import processes
from learning.run import Progress, Run, go_on
from recon.fitting.face_vector import face_of_vector
from recon.learned.crop import in_picture
from recon.losses.neural import neural_loss
from recon.networks.synthesis import SynthesisConfig, SynthesisNetwork, save_synthesis
from recon.synthetic.crops import Crops
from recon.train.base import Batch, Source
from recon.train.paths import Paths, SynthesisBatch, SynthesisTraining


class SynthesisSource:
    """Batches of crops by step alone."""

    def __init__(self, crops: Crops, seed: int, size: int, head: Head):
        self.source, self.size, self.head = Source(crops, seed), size, head
        self.count = self.source.count

    def batch(self, size: int, step: int, part: slice = slice(None)) -> SynthesisBatch:
        return self._of(self.source.batch(size, step, part))

    def rows(self, rows: np.ndarray) -> SynthesisBatch:
        return self._of(self.source.rows(rows))

    def _of(self, found: Batch) -> SynthesisBatch:
        picture = interpolate(found.picture, (self.size, self.size), mode="area")
        return SynthesisBatch(picture, in_picture(found.true), face_of_vector(found.face, self.head))


def started(config: SynthesisTraining, head: Head, source: SynthesisSource) -> SynthesisNetwork:
    """A new network whose camera shows the mean face about where the crops' faces are."""
    torch.manual_seed(config.run.seed)
    a = head.arrays
    sizes = SynthesisConfig(
        a.id, head.shape_size, head.expression_size, config.size, config.width, config.residuals, config.encoder
    )
    net = SynthesisNetwork(sizes, a)
    wanted = source.rows(np.arange(min(source.count, 256))).marks.flatten(0, 1)
    mean = head.landmarks(head.v_template, "468")[:, :2]
    spread = (wanted.std(0) / mean.std(0)).mean()
    x, y = (wanted.mean(0) * wanted.new_tensor([1.0, -1.0]) / spread - mean.mean(0)).tolist()
    net.start_at(float(spread), x, y)
    return net


def train_synthesis(
    config: SynthesisTraining, crops: Crops, head: Head, folder: Path, *, progress: Progress | None = None
) -> SynthesisNetwork:
    """Train, or go on training, in `folder`; writes `synthesis.npz` there. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    source, paths = SynthesisSource(crops, config.run.seed, config.size, head), Paths(head, config)
    net = started(config, head, source)

    def step(run: Run) -> dict[str, Tensor]:
        batch = source.batch(config.batch, run.step, processes.part_of(config.batch))
        return paths.losses(run.model, batch, run.step, run.generator())

    def validate(run: Run) -> dict[str, float]:
        kept = SynthesisNetwork(net.config, head.arrays)
        kept.load_state_dict(run.average)
        return measured(kept.eval(), paths, source.rows(np.arange(source.count, len(crops))))

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=500, progress=progress)
    net.load_state_dict(run.average)
    net.eval()
    if processes.rank() == 0:
        save_synthesis(net, folder / "synthesis.npz")
    return net


@torch.no_grad()
def measured(net: SynthesisNetwork, paths: Paths, batch: SynthesisBatch, *, seed: int = 0) -> dict[str, float]:
    """How well faces are found, painted again and read again. Landmarks in shares of the face's longer side."""
    read = net.read(batch.picture)
    shown = paths.shown(read.face, read.camera)
    generator = torch.Generator().manual_seed(seed)
    painted, left = paths.painted(net, shown, batch, generator)
    size = (batch.marks.amax(1) - batch.marks.amin(1)).amax(-1)
    return {
        "marks_nme": float(((shown.marks - batch.marks).norm(dim=-1).mean(1) / size).mean()),
        "painted_l1": float(neural_loss(painted, batch.picture)),
        "masked_l1": float(neural_loss(left, batch.picture)),  # had nothing been painted
        "cycle": float(paths.second(net, read, batch, generator, teach="encoder")),
    }
