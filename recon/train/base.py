"""recon-base, taught on made crops whose truth is known: parameters by likelihood, faces and landmarks by distance."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.rotations import axis_angle_from_matrix
from flame_tools.types import FaceParams
from learning import processes
from learning.config import sizes_of
from learning.order import rows_of_step
from learning.run import Progress, Run, RunConfig, finished, go_on, moved
from recon.fitting.face_vector import face_of_vector
from recon.learned.mirror import Mirror
from recon.learned.regressor import (
    OTHERS,
    Estimate,
    Regressor,
    RegressorConfig,
    Scale,
    load_regressor,
    marks_of,
    save_regressor,
)  # fmt: skip
from recon.synthetic.crops import Crops

FEWEST = 8
HELD_OUT = 512  # at most so many, and an eighth, of the last crops: nothing is learnt from them


@dataclass(frozen=True)
class BaseTraining:
    """One training run of recon-base."""

    batch: int = 64
    """Crops a step."""
    face: float = 1.0
    """Weight of the likelihood of the face's parameters, a mean over them."""
    pose: float = 1.0
    """Of pose and place."""
    marks: float = 4.0
    """Of the landmarks' likelihood."""
    neutral: float = 0.3
    """Of the mean distance of the face at rest from the true one at the 468 landmarks, mm, where it stands best."""
    moved: float = 0.3
    """Of the mean distance of what the expression moves there, mm."""
    mirrored: float = 0.5
    """Share of crops whose left is their right."""
    shaken: float = 0.004
    """Deviation of what is added to landmarks, crop units: a whole face's alike, and each."""
    network: dict = field(default_factory=dict)
    """What differs from RegressorConfig."""
    begin: str = ""
    """A trained network with whose weights a new run begins, in all that both have: a file, from the working folder."""
    anew: tuple[str, ...] = ()
    """Expression components of which that network never saw any: what it says of them, and how surely, is forgotten."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=6000, warm=200, decay=2000, average=0.998))
    """How it is updated."""


@dataclass(frozen=True)
class Batch:
    """Crops as tensors."""

    picture: Tensor  # [N, 3, P, P] in [0, 1]
    told: Tensor  # [N, 478, 3] landmarks and irises as they were read
    true: Tensor  # [N, 468, 2]
    face: Tensor  # [N, F]
    turn: Tensor  # [N, 3, 3] in the crop's camera
    place: Tensor  # [N, 4] recon.learned.crop's, and the log of the distance
    neutral: Tensor  # [N, 468, 3] metres
    expressed: Tensor  # [N, 468, 3]


def mirrored(batch: Batch, which: Tensor, mirror: Mirror) -> Batch:
    """The crops for which `which` [N] holds have their left for their right."""
    picture, told, true, face, turn, place, neutral, expressed = vars(batch).values()
    other = Batch(
        picture.flip(-1), mirror.in_crop(told), mirror.in_crop(true), mirror.face(face), mirror.turn(turn),
        place * place.new_tensor([-1, 1, 1, 1]), mirror.points(neutral), mirror.points(expressed),
    )  # fmt: skip
    pairs = zip(vars(other).values(), vars(batch).values(), strict=True)
    return Batch(*(torch.where(which.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))


class Source:
    """Batches of crops, by step alone: in another order each time they have all been seen."""

    def __init__(self, crops: Crops, seed: int):
        if len(crops) < FEWEST:
            raise InputError(f"{len(crops)} crops are too few, wanted {FEWEST} or more")
        self.crops, self.seed = crops, seed
        self.count = len(crops) - min(HELD_OUT, len(crops) // 8)

    def batch(self, size: int, step: int) -> Batch:
        """This process's crops of a step's batch."""
        return self.rows(rows_of_step(self.count, size, step, self.seed))

    def held_out(self) -> Batch:
        return self.rows(np.arange(self.count, len(self.crops)))

    def rows(self, rows: np.ndarray) -> Batch:
        c = self.crops
        return Batch(
            torch.as_tensor(c.picture[rows]).permute(0, 3, 1, 2).float() / 255,
            torch.as_tensor(marks_of(c.read[rows], c.iris[rows])),
            torch.as_tensor(c.true[rows]),
            torch.as_tensor(c.face[rows]),
            torch.as_tensor(c.rotation[rows]),
            torch.cat([torch.as_tensor(c.place[rows]), torch.as_tensor(c.distance[rows])[:, None]], 1),
            torch.as_tensor(c.neutral[rows]),
            torch.as_tensor(c.expressed[rows]),
        )


class Landmarks468(torch.nn.Module):
    """A head that knows its 468 landmarks alone: the same numbers at a share of the cost."""

    def __init__(self, head: Head):
        super().__init__()
        marks = head.arrays.landmarks["468"]
        corners = head.arrays.faces[marks.faces]
        used, index = np.unique(corners, return_inverse=True)
        self.head = head.only(torch.as_tensor(used).long())
        self.register_buffer("corners", torch.as_tensor(index.reshape(corners.shape)).long())
        self.register_buffer("weights", torch.as_tensor(np.asarray(marks.barycentrics)).float())

    def forward(self, params: FaceParams) -> Tensor:
        """[N, 468, 3] metres."""
        return (self.head.vertices(params)[:, self.corners] * self.weights[..., None]).sum(-2)


class LandmarkFace(torch.nn.Module):
    """Faces at the 468 landmarks, from parameters in the order of a Layout."""

    def __init__(self, head: Head, scale: Scale):
        super().__init__()
        self.marks, self.scale = Landmarks468(head), scale

    def forward(self, scaled: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled parameters [N, F] -> at rest and with the expression [N, 468, 3], metres."""
        head = self.marks.head
        params = face_of_vector(self.scale.inverse(scaled), head)
        rest = FaceParams.neutral(head, len(scaled)).replace(shape=params.shape)
        return self.marks(rest), self.marks(params)


def shaken(told: Tensor, config: BaseTraining, generator: torch.Generator) -> Tensor:
    """Landmarks as another reader might have read them."""
    whole, each = processes.normal(told[:, :1], generator), processes.normal(told, generator)
    moved = told + config.shaken * (whole + 0.5 * each)
    return torch.cat([moved[:, :468], moved[:, 468:] * told.new_tensor([1, 1, 0])], 1)


def losses(found: Estimate, batch: Batch, told: Tensor, face: LandmarkFace, config: BaseTraining) -> dict[str, Tensor]:
    """Parts of the loss."""
    rest, posed = face(found.face)
    neutral = _centred(rest) - _centred(batch.neutral)
    moved = (posed - rest) - (batch.expressed - batch.neutral)
    parts = {
        "face": config.face * likelihood(face.scale(batch.face), found.face, found.face_logvar).mean(),
        "pose": config.pose * likelihood(_pose(found, batch), found.pose, found.pose_logvar).mean(),
        "marks": config.marks * likelihood(batch.true, found.marks, found.marks_logvar[..., None]).mean(),
        "neutral": config.neutral * 1000 * _lengths(neutral).mean(),
        "moved": config.moved * 1000 * _lengths(moved).mean(),
    }
    return {**parts, "total": sum(parts.values())}


def _pose(found: Estimate, batch: Batch) -> Tensor:
    """[N, 7] what the network's pose should be, beside the turn that it starts from."""
    rest = axis_angle_from_matrix(found.turn.transpose(1, 2) @ batch.turn)
    return torch.cat([rest, batch.place], 1)


def likelihood(true: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Negative logarithm, up to a constant, of a normal distribution; what lies far outside counts linearly."""
    far = (true - mean).abs() * torch.exp(-0.5 * logvar)
    return torch.where(far < 3, 0.5 * far.square(), 3 * far - 4.5) + 0.5 * logvar


def _centred(points: Tensor) -> Tensor:
    return points - points.mean(-2, keepdim=True)


def _lengths(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(-1) + 1e-10).sqrt()


def started(config: BaseTraining, head: Head) -> Regressor:
    """A new network for a head, with the weights of the one that it begins with."""
    torch.manual_seed(config.run.seed)
    sizes = RegressorConfig(head.arrays.id, head.shape_size, head.expression_size)
    net = Regressor(sizes_of(sizes, config.network, decided=("head_id", "shape", "expression")))
    net.fit(head.arrays)
    if config.begin:
        _begin(net, Path(config.begin))
        _forget(net, config.anew, head.arrays.expression_names)
    return net.to(memory_format=torch.channels_last)  # a third less time a step


def _begin(net: Regressor, path: Path) -> None:
    before, now = load_regressor(path).state_dict(), net.state_dict()
    if other := [name for name in before if name not in now or now[name].shape != before[name].shape]:
        raise InputError(f"{path} is another network: {other[0]} of it is not in this one; set `network` to its sizes")
    net.load_state_dict(now | before)


def _forget(net: Regressor, wanted: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Deviations that nothing ever contradicted have grown so small that no gradient comes back."""
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(f"there is no expression component {unknown[0]!r} to learn anew; choose of {', '.join(names)}")
    at = net.config.shape + torch.tensor([names.index(name) for name in wanted], dtype=torch.long)
    rows = torch.cat([at, net.config.face + OTHERS + at])
    with torch.no_grad():
        for layer in (net.leave, *([] if net.again is None else [net.again[-1]])):
            layer.weight[rows], layer.bias[rows] = 0, 0


def train_base(
    config: BaseTraining, crops: Crops, head: Head, folder: Path, *, progress: Progress | None = None
) -> Regressor:
    """Train, or go on training, in `folder`; writes `base.npz` there. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    net, source = started(config, head), Source(crops, config.run.seed)
    mirror = Mirror(head.arrays) if config.mirrored else None
    device = config.run.device
    face = LandmarkFace(head, net.scale).to(device)

    def step(run: Run) -> dict[str, Tensor]:
        batch, chance = source.batch(config.batch, run.step), run.generator()
        if mirror is not None:
            batch = mirrored(batch, processes.uniform(batch.face[:, 0], chance) < config.mirrored, mirror)
        batch = moved(batch, device)
        told = shaken(batch.told, config, chance)
        with run.autocast():
            return losses(net(batch.picture, told), batch, told, face, config)

    def validate(run: Run) -> dict:
        kept = averaged(run, config, head).to(device)
        with torch.no_grad():
            return measured(kept, moved(source.held_out(), device), face)

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=500, progress=progress)
    finished(run, net, save_regressor, folder / "base.npz")
    return net


def averaged(run: Run, config: BaseTraining, head: Head) -> Regressor:
    """A copy with the averaged weights."""
    net = started(dataclasses.replace(config, begin=""), head)
    net.load_state_dict(run.average)
    return net.eval()


def measured(net: Regressor, batch: Batch, face: LandmarkFace) -> dict[str, float]:
    """How near a network comes to crops that it has not learnt from."""
    found = net(batch.picture, batch.told)
    rest, posed = face(found.face)
    mean, _ = face(torch.zeros_like(found.face))
    true = _centred(batch.neutral)
    away, most = _lengths(_centred(rest) - true).mean(), _lengths(_centred(mean) - true).mean()
    moved, wanted = posed - rest, batch.expressed - batch.neutral
    size = (batch.true.amax(1) - batch.true.amin(1)).amax(-1)
    within = (face.scale(batch.face) - found.face).abs() * torch.exp(-0.5 * found.face_logvar) <= 0.99446
    return {
        "neutral_mm": 1000 * float(away), "neutral_gain": 1 - float(away / most),
        "moved_mm": 1000 * float(_lengths(moved - wanted).mean()), "still_mm": 1000 * float(_lengths(wanted).mean()),
        "turn_deg": float(torch.rad2deg(_lengths((found.pose - _pose(found, batch))[:, :3])).mean()),
        "marks": float((_lengths(found.marks - batch.true).mean(1) / size).mean()),
        "read": float((_lengths(batch.told[:, :468, :2] - batch.true).mean(1) / size).mean()),
        "coverage68": float(within.float().mean()),
    }  # fmt: skip
