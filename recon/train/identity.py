"""An embedder of identity, taught on made people who are seen again and again: each is a class, with a margin.

The additive angular margin of ArcFace (Deng et al. 2019). Measured by verification on people that nothing was learnt
from, in pairs of pictures; apart for people who have one skin, and for pictures turned away from each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize

from flame_tools.errors import InputError
from learning import processes
from learning.config import sizes_of
from learning.order import rows_of_step
from learning.run import Progress, Run, RunConfig, finished, go_on
from recon.evaluation.verification import verification
from recon.losses.patch import arcface_patch
from recon.networks.identity import IdentityConfig, IdentityNetwork, save_identity
from recon.synthetic.portraits import Portraits

FEWEST = 4  # people
TURNED = np.radians(30)  # between two pictures that count as turned away from each other


@dataclass(frozen=True)
class IdentityTraining:
    """One training run."""

    batch: int = 64
    """Pictures a step."""
    margin: float = 0.25
    """Radians by which a picture is to be nearer to its person than to anybody else."""
    scale: float = 24.0
    """Of the cosines before the softmax."""
    begin: int = 200
    """Steps over which the margin rises from nothing."""
    shaken: float = 0.02
    """Deviation of the five points by which faces are aligned, crop units."""
    tint: float = 0.15
    """Deviation of the logarithm of each colour's gain."""
    held_out: float = 0.125
    """Share of the people, the last ones, from whom nothing is learnt."""
    network: dict = field(default_factory=dict)
    """What differs from IdentityConfig."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=2000, warm=100, decay=1000, average=0.995))
    """How it is updated."""


class Classified(nn.Module):
    """The embedder, and the direction of each person that it learns from, which nobody needs afterwards."""

    def __init__(self, config: IdentityTraining, people: int):
        super().__init__()
        self.embedder = IdentityNetwork(sizes_of(IdentityConfig(), config.network))
        self.people = nn.Parameter(0.1 * torch.randn(people, self.embedder.config.width))

    def cosines(self, faces: Tensor) -> Tensor:
        """[B, people]"""
        return linear(self.embedder(faces), normalize(self.people, dim=-1))


def margin_loss(
    cosines: Tensor,  # [B, K]
    people: Tensor,  # [B] of K
    *,
    margin: float,  # radians
    scale: float,
) -> Tensor:
    """Cross entropy where a picture's own person is `margin` further away than it is (ArcFace, eq. 3)."""
    own = cosines.gather(1, people[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
    further = torch.cos((own.acos() + margin).clamp(max=torch.pi))
    return cross_entropy(scale * cosines.scatter(1, people[:, None], further), people)


class PortraitSource:
    """Batches of aligned faces by step alone, in another order each time they have all been seen."""

    def __init__(self, portraits: Portraits, config: IdentityTraining, size: int):
        people = int(portraits.person.max()) + 1 if len(portraits) else 0
        if people < FEWEST:
            raise InputError(f"{people} people are too few to tell apart, wanted {FEWEST} or more")
        self.portraits, self.config, self.size = portraits, config, size
        kept = people - max(2, round(config.held_out * people))
        alike = portraits.skin == portraits.skin[portraits.person == kept][0]
        self.people = int(portraits.person[alike].min()) or kept  # people alike are all learnt from, or none
        self.count = int((portraits.person < self.people).sum())

    def batch(self, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """This process's faces [B, 3, size, size], shaken, tinted and half of them mirrored, and who they are [B]."""
        c = self.config
        rows = rows_of_step(self.count, c.batch, step, c.run.seed)
        faces = self.faces(rows, c.shaken * processes.normal(torch.empty(len(rows), 5, 2), generator))
        gain = torch.exp(c.tint * processes.normal(torch.empty(len(rows), 3, 1, 1), generator))
        mirrored = processes.uniform(torch.empty(len(rows), 1, 1, 1), generator) < 0.5
        faces = (torch.where(mirrored, faces.flip(-1), faces) * gain).clamp(0, 1)
        return faces, torch.as_tensor(self.portraits.person[rows]).long()

    def faces(self, rows: np.ndarray, shaken: Tensor | float = 0.0) -> Tensor:
        """Aligned faces [B, 3, size, size] of some rows."""
        pictures = torch.as_tensor(self.portraits.picture[rows]).permute(0, 3, 1, 2).float() / 255
        points = torch.as_tensor(self.portraits.points[rows]) + shaken
        return arcface_patch(points).cut(pictures, self.size, finer=2)


def train_identity(
    config: IdentityTraining, portraits: Portraits, folder: Path, *, progress: Progress | None = None
) -> IdentityNetwork:
    """Train, or go on training, in `folder`; writes `identity.npz` there. Returns the averaged embedder."""
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    source = PortraitSource(portraits, config, sizes_of(IdentityConfig(), config.network).size)
    net = Classified(config, source.people).to(memory_format=torch.channels_last)
    device = config.run.device

    def step(run: Run) -> dict[str, Tensor]:
        faces, people = source.batch(run.step, run.generator())
        margin = config.margin * min(run.step / max(config.begin, 1), 1.0)
        with run.autocast():
            cosines = run.model.cosines(faces.to(device))
        return {"total": margin_loss(cosines.float(), people.to(device), margin=margin, scale=config.scale)}

    def validate(run: Run) -> dict[str, float]:
        kept = Classified(config, source.people)
        kept.load_state_dict(run.average)
        return measured(kept.embedder.eval(), source)

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=500, progress=progress)
    finished(run, net, lambda found, path: save_identity(found.embedder, path), folder / "identity.npz")
    return net.embedder


@torch.no_grad()
def measured(embedder: IdentityNetwork, source: PortraitSource) -> dict[str, float]:
    """Verification on the people held out: all pairs, those of people of one skin, and those turned far apart."""
    rows = np.arange(source.count, len(source.portraits))
    found = torch.cat([embedder(source.faces(part)) for part in np.array_split(rows, -(-len(rows) // 64))])
    cosines = (found @ found.mT).numpy()
    of = source.portraits.rows(rows)
    first, second = np.triu_indices(len(rows), 1)
    near, person = cosines[first, second], of.person[first] == of.person[second]
    alike = of.skin[first] == of.skin[second]
    turned = np.abs(of.yaw[first] - of.yaw[second]) > TURNED
    figures = {}
    for name, other, same in (
        ("", ~alike, person),  # people of another skin
        ("alike_", alike & ~person, person),
        ("turned_", ~alike & turned, person & turned),
    ):
        if other.any() and same.any():
            said = verification(near[same], near[other])
            figures |= {f"{name}auc": said.auc, f"{name}accuracy": said.accuracy}
    return figures
