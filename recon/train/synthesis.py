"""SMIRK's scheme on made crops: a face is drawn grey from what the encoder reads, painted as the photo, and read again.

After Retsinas et al. 2024. First landmarks alone teach the encoder; then all that `recon.train.paths` has and the
config gives a weight.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from flame_tools.errors import InputError
from flame_tools.head import Head
from learning import processes
from learning.order import rows_of_step
from learning.run import Progress, Run, finished, go_on
from recon.fitting.face_vector import face_of_vector
from recon.learned.crop import in_picture
from recon.losses.neural import neural_loss
from recon.networks.synthesis import SynthesisConfig, SynthesisNetwork, save_synthesis
from recon.synthetic.crops import Crops
from recon.train.base import Source
from recon.train.paths import Paths, SynthesisBatch, SynthesisTraining

_AT_ONCE = 32  # crops that are measured together: pictures of many would fill the memory


class SynthesisSource:
    """Batches of crops by step alone."""

    def __init__(self, crops: Crops, seed: int, size: int, head: Head):
        self.source, self.size, self.head = Source(crops, seed), size, head
        self.count = self.source.count
        parts = np.array_split(np.arange(len(crops)), -(-len(crops) // 256))
        self.picture = torch.cat([self._smaller(crops.picture[part]) for part in parts])  # [N, 3, size, size] uint8

    def batch(self, size: int, step: int) -> SynthesisBatch:
        """This process's crops of a step's batch."""
        return self.rows(rows_of_step(self.count, size, step, self.source.seed))

    def rows(self, rows: np.ndarray) -> SynthesisBatch:
        crops = self.source.crops
        marks = in_picture(torch.as_tensor(crops.true[rows]))
        face = face_of_vector(torch.as_tensor(crops.face[rows]), self.head)
        return SynthesisBatch(self.picture[torch.as_tensor(rows)].float() / 255, marks, face)

    def _smaller(self, pictures: np.ndarray) -> Tensor:
        whole = torch.as_tensor(pictures).permute(0, 3, 1, 2).float()
        return interpolate(whole, (self.size, self.size), mode="area").round().to(torch.uint8)


def shaken(batch: SynthesisBatch, strength: float, generator: torch.Generator) -> SynthesisBatch:
    """Crops cut a little elsewhere, larger or smaller, turned and tinted, so that none is seen twice.

    `strength` is the deviation of their place in crop units, of the turn in radians and of the logarithm of the size.
    """

    def normal(size: int) -> Tensor:
        return strength * processes.normal(batch.marks.new_empty(len(batch.marks), size), generator)

    place, turn, size, gain = normal(2), normal(1), normal(1), torch.exp(2 * normal(3))
    cos, sin = size.exp() * turn.cos(), size.exp() * turn.sin()
    to_old = torch.stack([torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)], 1)  # [N, 2, 2]
    grid = affine_grid(torch.cat([to_old, place[..., None]], 2), list(batch.picture.shape), align_corners=False)
    picture = grid_sample(batch.picture, grid, padding_mode="border", align_corners=False)
    marks = torch.linalg.solve(to_old, (batch.marks - place[:, None]).mT).mT
    return SynthesisBatch((picture * gain[..., None, None]).clamp(0, 1), marks, batch.face)


def started(config: SynthesisTraining, head: Head, source: SynthesisSource) -> SynthesisNetwork:
    """A new network whose camera shows the mean face about where the crops' faces are."""
    torch.manual_seed(config.run.seed)
    a = head.arrays
    sizes = SynthesisConfig(
        a.id, head.shape_size, head.expression_size, config.size, config.width, config.residuals, config.fold,
        config.encoder,
    )  # fmt: skip
    net = SynthesisNetwork(sizes, a)
    wanted = source.rows(np.arange(min(source.count, 256))).marks.flatten(0, 1)
    mean = head.landmarks(head.v_template, "468")[:, :2]
    spread = (wanted.std(0) / mean.std(0)).mean()
    x, y = (wanted.mean(0) * wanted.new_tensor([1.0, -1.0]) / spread - mean.mean(0)).tolist()
    net.start_at(float(spread), x, y)
    return net.to(memory_format=torch.channels_last)  # a fifth less time a step


def train_synthesis(
    config: SynthesisTraining, crops: Crops, head: Head, folder: Path,
    *, begin: SynthesisNetwork | None = None, progress: Progress | None = None,
) -> SynthesisNetwork:  # fmt: skip
    """Train, or go on training, in `folder`; writes `synthesis.npz` there. Returns the averaged network.

    A new run takes the weights of `begin`, a network of the same sizes, where one is given. Raises InputError for a
    device that is not the CPU, on which the faces are drawn, and for bfloat16.
    """
    if config.run.device != "cpu":
        raise InputError(f"device is {config.run.device!r}, and faces are drawn on the CPU here; set device to cpu")
    if config.run.precision == "bfloat16":
        raise InputError("precision is bfloat16, and faces are drawn in float32 here; set precision to float32")
    torch.set_num_threads(config.run.threads)
    source, paths = SynthesisSource(crops, config.run.seed, config.size, head), Paths(head, config)
    net = started(config, head, source)
    if begin is not None:
        net.load_state_dict(begin.state_dict())

    def step(run: Run) -> dict[str, Tensor]:
        batch = source.batch(config.batch, run.step)
        batch = shaken(batch, config.shaken, run.generator()) if config.shaken else batch
        return paths.losses(run.model, batch, run.step, run.generator())

    def validate(run: Run) -> dict[str, float]:
        kept = SynthesisNetwork(net.config, head.arrays)
        kept.load_state_dict(run.average)
        return measured(kept.eval(), paths, source.rows(np.arange(source.count, len(crops))))

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=500, progress=progress)
    finished(run, net, save_synthesis, folder / "synthesis.npz")
    return net


@torch.no_grad()
def measured(net: SynthesisNetwork, paths: Paths, batch: SynthesisBatch, *, seed: int = 0) -> dict[str, float]:
    """How well faces are found, painted again and read again. Landmarks in shares of the face's longer side."""
    generator, sums = torch.Generator().manual_seed(seed), {}
    for rows in torch.arange(len(batch.marks)).split(_AT_ONCE):
        part = SynthesisBatch(batch.picture[rows], batch.marks[rows], batch.face.frame(rows))
        for name, value in _measured(net, paths, part, generator).items():
            sums[name] = sums.get(name, 0.0) + value * len(rows) / len(batch.marks)
    return sums


def _measured(
    net: SynthesisNetwork, paths: Paths, batch: SynthesisBatch, generator: torch.Generator
) -> dict[str, float]:
    read = net.read(batch.picture)
    shown, found = paths.shown(read.face, read.camera), paths.found(read)
    painted, left = paths.painted(net, shown, batch, generator)
    size = (batch.marks.amax(1) - batch.marks.amin(1)).amax(-1)
    return {
        "marks_nme": float(((found - batch.marks).norm(dim=-1).mean(1) / size).mean()),
        "painted_l1": float(neural_loss(painted, batch.picture)),
        "masked_l1": float(neural_loss(left, batch.picture)),  # had nothing been painted
        "cycle": float(paths.second(net, read, shown, batch, generator, teach="encoder")),
    }
