"""recon-detail, taught on made faces whose folds are known: heights by likelihood, and their slopes, which one sees.

Faces are made as they are asked for, by the step's number: there is no end to them, and nothing lies on disk. Making
one takes about as long as learning from it, so that each is held for a while and learnt from a few times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flame_tools.head import Head
from learning import processes
from learning.config import sizes_of
from learning.run import Progress, Run, RunConfig, finished, go_on, moved
from recon.detail.network import DetailConfig, DetailNetwork, Heights, save_detail
from recon.detail.sheet import sheet_of
from recon.detail.shown import channels
from recon.synthetic.folded_faces import Folded, FoldedFaces

HELD, TIMES = 48, 3  # faces held at a time, and how often each is learnt from
HELD_OUT_SEED = 1 << 20
DEEP = (0.05, 0.15, 0.4)  # tangents: slopes of faint, plain and deep folds begin here
FALSE = 0.05  # tangent: a smooth texel that is told to slope more has got a false fold


@dataclass(frozen=True)
class DetailTraining:
    """One training run of recon-detail."""

    batch: int = 3
    """Faces a step."""
    likelihood: float = 0.1
    """Weight of the heights' likelihood."""
    slope: float = 10.0
    """Of the mean error of the slopes, as tangents."""
    folds: float = 4.0
    """How much more a texel counts there where its slope is half or more."""
    rest: float = 3.0
    """Of the same without the expression."""
    unseen: float = 0.2
    """What a texel counts that is not seen; one that is seen well counts 1."""
    held_out: int = 24
    """Faces on which it is measured; 0: it is not."""
    network: dict = field(default_factory=dict)
    """What differs from DetailConfig."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=2000, rate=2e-3, warm=50, decay=800, average=0.99))
    """How it is updated."""


@dataclass(frozen=True)
class Batch:
    """Made faces as tensors."""

    told: Tensor  # [N, CHANNELS, ROWS, COLUMNS]
    height: Tensor  # [N, ROWS, COLUMNS] mm
    rest: Tensor  # [N, ROWS, COLUMNS] mm
    seen: Tensor  # [N, ROWS, COLUMNS] in [0, 1]


class FoldedSource:
    """Batches by step alone. With `only`, the same few faces again and again."""

    def __init__(self, head: Head, seed: int, *, only: int = 0):
        self.faces, self.sheet, self.seed, self.only = FoldedFaces(head, seed), sheet_of(head.arrays), seed, only
        self._held: dict[int, Batch] = {}

    def batch(self, size: int, step: int, part: slice = slice(None)) -> Batch:
        numbers = [self._number(place) for place in range(step * size, (step + 1) * size)]
        for number in numbers[part]:
            if number not in self._held:
                self._held[number] = self.of([self.faces.face(number)])
        chosen = [self._held[number] for number in numbers[part]]
        for number in [n for n in self._held if n < min(numbers) - HELD]:
            del self._held[number]
        return Batch(*(torch.cat(parts) for parts in zip(*(vars(b).values() for b in chosen), strict=True)))

    def of(self, faces: list[Folded]) -> Batch:
        told = np.stack([channels(face.shown, self.sheet) for face in faces])
        parts = (np.stack(part) for part in zip(*((f.height, f.rest, f.shown.seen) for f in faces), strict=True))
        return Batch(torch.from_numpy(told), *(torch.from_numpy(part.astype(np.float32)) for part in parts))

    def _number(self, place: int) -> int:
        """Which face comes at a place of the order: HELD faces TIMES over, in another order each time, then others."""
        if self.only:
            return place % self.only
        block, within = divmod(place, HELD * TIMES)
        times, within = divmod(within, HELD)
        return block * HELD + int(np.random.default_rng((self.seed, block, times)).permutation(HELD)[within])


class Slopes(torch.nn.Module):
    """Heights [N, ROWS, COLUMNS], mm -> slopes [N, 2, ROWS - 2, COLUMNS - 2] on the mean face, and where both count."""

    def __init__(self, head: Head):
        super().__init__()
        sheet = sheet_of(head.arrays)
        self.register_buffer("step", torch.from_numpy(np.maximum(sheet.step_mm, 0.2).astype(np.float32)))
        self.register_buffer("area", torch.from_numpy(sheet.area))

    def forward(self, heights: Tensor) -> Tensor:
        across = (heights[:, 1:-1, 2:] - heights[:, 1:-1, :-2]) / (2 * self.step[0, 1:-1, 1:-1])
        down = (heights[:, 2:, 1:-1] - heights[:, :-2, 1:-1]) / (2 * self.step[1, 1:-1, 1:-1])
        return torch.stack([across, down], 1)


def losses(found: Heights, batch: Batch, slopes: Slopes, config: DetailTraining) -> dict[str, Tensor]:
    """Parts of the loss: means over the texels of the face, by how well they are seen."""
    weight = slopes.area * (config.unseen + (1 - config.unseen) * batch.seen)
    within = weight[:, 1:-1, 1:-1]
    far = (batch.height - found.shown).abs() * torch.exp(-0.5 * found.logvar)
    likelihood = torch.where(far < 3, 0.5 * far.square(), 3 * far - 4.5) + 0.5 * found.logvar

    def bent(told: Tensor, true: Tensor) -> Tensor:
        wanted = slopes(true)
        count = within * (1 + config.folds * (2 * _lengths(wanted)).clamp(max=1))
        return (_lengths(slopes(told) - wanted) * count).sum() / within.sum()

    parts = {
        "likelihood": config.likelihood * (likelihood * weight).sum() / weight.sum(),
        "slope": config.slope * bent(found.shown, batch.height),
        "rest": config.rest * bent(found.rest, batch.rest),
    }
    return {**parts, "total": sum(parts.values())}


def _lengths(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(1) + 1e-8).sqrt()


def started(config: DetailTraining, head: Head) -> DetailNetwork:
    """A new network for a head."""
    torch.manual_seed(config.run.seed)
    return DetailNetwork(sizes_of(DetailConfig(head.arrays.id), config.network, decided=("head_id",)))


def train_detail(
    config: DetailTraining, head: Head, folder: Path, *, overfit: int = 0, progress: Progress | None = None
) -> DetailNetwork:
    """Train, or go on training, in `folder`; writes `detail.npz` there. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    net, source, device = started(config, head), FoldedSource(head, config.run.seed, only=overfit), config.run.device
    slopes = Slopes(head).to(device)
    held_out: list[Folded] = []

    def step(run: Run) -> dict[str, Tensor]:
        batch = moved(source.batch(config.batch, run.step, processes.part_of(config.batch)), device)
        with run.autocast():
            found = net(batch.told)
        return losses(found, batch, slopes, config)

    def validate(run: Run) -> dict[str, float]:
        if config.held_out < 1:
            return {}
        if not held_out:
            faces = FoldedFaces(head, HELD_OUT_SEED)
            held_out.extend(faces.face(n) for n in range(config.held_out))
        kept = started(config, head)
        kept.load_state_dict(run.average)
        return measured(kept.eval(), held_out, head)

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=250, progress=progress)
    finished(run, net, save_detail, folder / "detail.npz")
    return net


@torch.no_grad()
def measured(net: DetailNetwork, faces: list[Folded], head: Head) -> dict[str, float]:
    """What a network makes of faces that it has not learnt from, where they are seen well, beside no detail at all."""
    source, slopes = FoldedSource(head, 0), Slopes(head)
    rows = []
    for face in faces:
        batch = source.of([face])
        found = net(batch.told)
        keep = ((slopes.area > 0.5) & (batch.seen > 0.5))[:, 1:-1, 1:-1]
        true, told = slopes(batch.height), slopes(found.shown)
        high, low = batch.height[:, 1:-1, 1:-1], found.shown[:, 1:-1, 1:-1]
        columns = (_lengths(true), _lengths(told), _lengths(true - told), high.abs(), (high - low).abs())
        within = (high - low).abs() <= 0.99446 * torch.exp(0.5 * found.logvar[:, 1:-1, 1:-1])
        rows.append(torch.stack([c[keep] for c in (*columns, within.float())]))
    true, told, off, high, wrong, within = torch.cat(rows, 1)
    figures = {"normal_deg": _degrees(off), "flat_deg": _degrees(true)}
    for low, top in zip(DEEP, (*DEEP[1:], 1e9), strict=True):
        some = (true >= low) & (true < top)
        if some.any():
            figures |= {f"deg_{low:g}": _degrees(off[some]), f"flat_deg_{low:g}": _degrees(true[some])}
    folded = true > DEEP[0]
    figures |= {"height_mm": float(wrong[folded].mean()), "flat_mm": float(high[folded].mean())}
    figures |= {"false": float((told[true < 0.01] > FALSE).float().mean()), "coverage68": float(within.mean())}
    return figures


def _degrees(tangents: Tensor) -> float:
    return float(torch.rad2deg(torch.atan(tangents)).mean())
