"""The reader of tongues, taught on the mouths of made crops."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, binary_cross_entropy_with_logits, grid_sample, smooth_l1_loss

from flame_tools.errors import InputError
from flame_tools.head import Head
from learning import processes
from learning.config import sizes_of
from learning.run import Progress, Run, RunConfig, finished, go_on
from readers.tongue import BELOW, LIPS, SIDE, TongueConfig, TongueReader, save_tongue_reader
from recon.learned.crop import TIGHT, in_picture
from recon.synthetic.crops import Crops

OUT = 0.15  # tongueOut from which on a tongue counts as out
AT_ONCE = 128


@dataclass(frozen=True)
class TongueTraining:
    """One training run."""

    batch: int = 128
    """Mouths a step."""
    tongues: float = 0.25
    """Share of them with the tongue out, drawn as often as that takes."""
    shaken: float = 0.06
    """Deviation of the window's middle, crop units; of its size, twice that; of its turn, 1.6 times, radians."""
    tint: float = 0.12
    """Deviation of the logarithm of each colour's gain; of the exponent of all, twice that."""
    grey: float = 0.05
    """Share without colour."""
    out: float = 4.0
    """Weight of how far it is out, beside whether."""
    held_out: int = 1024
    """The last crops, from which nothing is learnt."""
    network: dict = field(default_factory=dict)
    """What differs from TongueConfig."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=4000, warm=200, decay=3000, average=0.995))
    """How it is updated."""

    def __post_init__(self):
        if not 0 <= self.tongues <= 1:
            raise InputError(f"tongues is {self.tongues:g}; wanted a share in [0, 1]")


class Mouths:
    """Batches of mouths by step alone."""

    def __init__(self, crops: Crops, head: Head, config: TongueTraining, size: int):
        names = head.arrays.expression_names
        if "tongueOut" not in names:
            raise InputError(f"head {head.arrays.id!r} has no tongueOut to learn")
        self.crops, self.config, self.size = crops, config, size
        self.middles = torch.as_tensor(in_picture(crops.read[:, list(LIPS), :2].mean(1))).float()
        self.out = torch.as_tensor(crops.face[:, head.shape_size + names.index("tongueOut")]).float()
        self.count = len(crops) - (config.held_out if config.held_out < len(crops) else 0)
        shown = self.out[: self.count] > 0
        self.tongues, self.others = (torch.nonzero(mask)[:, 0] for mask in (shown, ~shown))
        if not len(self.tongues) or not len(self.others):
            raise InputError("the crops show only tongues, or none; make some with --tongue 0.5")

    def batch(self, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Mouths [B, 3, size, size], shaken, tinted, half of them mirrored, and tongueOut [B]."""
        c = self.config
        first = round(c.tongues * c.batch)
        rows = torch.cat([
            pool[torch.randint(len(pool), (n,), generator=generator, device=generator.device).cpu()]
            for pool, n in ((self.tongues, first), (self.others, c.batch - first))
        ])[part]  # fmt: skip
        n = len(rows)
        draw = lambda *shape: processes.normal(torch.empty(n, *shape), generator)  # noqa: E731
        chance = lambda: processes.uniform(torch.empty(n), generator)  # noqa: E731
        mirrored = 1 - 2 * (chance() < 0.5).float()
        mouths = self.mouths(rows, c.shaken * draw(2), 1 + 2 * c.shaken * draw(), 1.6 * c.shaken * draw(), mirrored)
        gamma, gain = torch.exp(2 * c.tint * draw(1, 1, 1)), torch.exp(c.tint * draw(3, 1, 1))
        mouths = gain * mouths.clamp(min=1e-3) ** gamma
        grey = (chance() < c.grey)[:, None, None, None]
        return torch.where(grey, mouths.mean(1, keepdim=True).expand_as(mouths), mouths), self.out[rows]

    def mouths(
        self,
        rows: Tensor,
        aside: Tensor | float = 0.0,  # [n, 2] crop units
        larger: Tensor | float = 1.0,  # [n]
        turned: Tensor | float = 0.0,  # [n] radians
        mirrored: Tensor | float = 1.0,  # [n] 1, or -1
    ) -> Tensor:
        """Windows [n, 3, size, size] as `readers.tongue.window` lays them, cut from the crops' pictures."""
        pictures = torch.as_tensor(self.crops.picture[rows.numpy()]).permute(0, 3, 1, 2).float() / 255
        half = SIDE / TIGHT * larger * torch.ones(len(rows))
        turned = turned * torch.ones(len(rows))
        across, down = half * torch.cos(turned), half * torch.sin(turned)
        middle = self.middles[rows] + torch.tensor([0.0, 2 * BELOW / TIGHT]) + aside
        place = torch.stack([
            torch.stack([across * mirrored, -down, middle[:, 0]], 1),
            torch.stack([down * mirrored, across, middle[:, 1]], 1),
        ], 1)  # fmt: skip
        grid = affine_grid(place, [len(rows), 3, self.size, self.size], align_corners=False)
        return grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def train_tongue(
    config: TongueTraining, crops: Crops, head: Head, folder: Path, *, progress: Progress | None = None
) -> TongueReader:
    """Train, or go on training, in `folder`; writes `tongue_reader.npz` there. Returns the averaged reader."""
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    sizes = sizes_of(TongueConfig(), config.network)
    source = Mouths(crops, head, config, sizes.size)
    net = TongueReader(sizes).to(memory_format=torch.channels_last)
    device = config.run.device

    def step(run: Run) -> dict[str, Tensor]:
        mouths, out = source.batch(run.generator(), processes.part_of(config.batch))
        with run.autocast():
            found = run.model(mouths.to(device))
        out = out.to(device)
        whether = binary_cross_entropy_with_logits(found.logit.float(), (out > OUT).float())
        far = smooth_l1_loss(found.out.float(), out, beta=0.2)
        return {"total": whether + config.out * far, "whether": whether, "far": far}

    def validate(run: Run) -> dict[str, float]:
        kept = TongueReader(sizes)
        kept.load_state_dict(run.average)
        return measured(kept.eval(), source)

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=500, progress=progress)
    finished(run, net, save_tongue_reader, folder / "tongue_reader.npz")
    return net


@torch.inference_mode()
def measured(reader: TongueReader, source: Mouths) -> dict[str, float]:
    """On the crops held out: how often a tongue that is out ranks before none, and how far off `out` is, RMS."""
    rows = torch.arange(source.count, len(source.crops))
    if not len(rows):
        return {}
    found = [reader(source.mouths(part)) for part in rows.split(AT_ONCE)]
    logit, far = torch.cat([f.logit for f in found]), torch.cat([f.out for f in found])
    out = source.out[rows]
    shown, none = logit[out > OUT], logit[out <= 0]
    figures = {"rms": float((far - out).square().mean().sqrt())}
    if len(shown) and len(none):
        figures["auc"] = float((shown[:, None] > none).float().mean())
        figures["seen"], figures["false"] = (float((side > 0).float().mean()) for side in (shown, none))
    return figures
