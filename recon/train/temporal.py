"""recon-base's temporal head, taught on films of made people whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flame_tools.errors import InputError
from flame_tools.head import Head
from learning import processes
from learning.config import sizes_of
from learning.order import rows_of_step
from learning.run import Progress, Run, RunConfig, finished, go_on
from readers.face_parts import LID_PAIRS, LIP_PAIRS
from recon.learned.mirror import Mirror
from recon.learned.regressed import base_of, told_rows
from recon.learned.regressor import Regressor, Scale, marks_of
from recon.learned.temporal import (
    LONGEST_STEP_S,
    Frames,
    Pooled,
    Refined,
    Temporal,
    TemporalConfig,
    save_temporal,
    stands_for,
)  # fmt: skip
from recon.synthetic.sequences import Sequences
from recon.train.base import LandmarkFace, likelihood

FEWEST = 8
AT_ONCE = 64  # crops that recon-base sees together


@dataclass(frozen=True)
class TemporalTraining:
    """One training run of the temporal head."""

    batch: int = 16
    """Films a step."""
    face: float = 1.0
    """Weight of the likelihood of what moves, a mean over parameters."""
    shape: float = 0.3
    """Of the identity's."""
    moved: float = 0.5
    """Of the mean distance of what the expression moves at the 468 landmarks, mm."""
    gaps: float = 0.3
    """Of the mean error of the gaps between facing points of lips and lids, mm: what a viewer sees."""
    speed_s: float = 0.015
    """Of the mean error of its velocity, mm/s."""
    jerkiness_s2: float = 0.0006
    """Of the mean error of its acceleration, mm/s^2."""
    dropped: float = 0.5
    """Share of films of which frames are left out: every second, or some by chance."""
    mirrored: float = 0.5
    """Share of films whose left is their right."""
    network: dict = field(default_factory=dict)
    """What differs from TemporalConfig."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=3000, warm=50, decay=1500, average=0.998))
    """How it is updated."""


@dataclass(frozen=True)
class Films:
    """B films of at most T frames."""

    frames: Frames  # [B, T, ...]; their weight is 0 where there is none
    face: Tensor  # [B, T, S + M] the truth, in units of the head's priors
    there: Tensor  # [B, T] bool

    def __len__(self) -> int:
        return len(self.face)

    def rows(self, rows: np.ndarray) -> Films:
        return Films(Frames(*(v[rows] for v in vars(self.frames).values())), self.face[rows], self.there[rows])

    def to(self, device: str) -> Films:
        frames = Frames(*(v.to(device) for v in vars(self.frames).values()))
        return Films(frames, self.face.to(device), self.there.to(device))


def told_films(sequences: Sequences, base: Regressor, head: Head) -> Films:
    """What recon-base says of films, and the truth."""
    count, films = len(sequences), int(sequences.film.max()) + 1
    told = []
    with torch.inference_mode():
        for start in range(0, count, AT_ONCE):
            part = sequences.rows(slice(start, start + AT_ONCE))
            picture = torch.as_tensor(part.picture).permute(0, 3, 1, 2).float() / 255
            told.append(told_rows(base(picture, torch.as_tensor(marks_of(part.read, part.iris)))))
    told, truth = torch.cat(told).clone(), base.scale(torch.as_tensor(sequences.face))
    unseen = [n for n in head.arrays.expression_names if n.startswith("tongue") and n != "tongueOut"]
    truth[:, [head.shape_size + head.arrays.expression_names.index(n) for n in unseen]] = 0
    longest = int(np.bincount(sequences.film).max())
    at = np.concatenate([np.arange(n) for n in np.bincount(sequences.film)])
    index = (torch.as_tensor(sequences.film).long(), torch.as_tensor(at))

    def padded(values: Tensor) -> Tensor:
        out = values.new_zeros(films, longest, *values.shape[1:])
        out[index] = values
        return out

    times = padded(torch.as_tensor(sequences.time_s).float())
    there = padded(torch.ones(count, dtype=torch.bool))
    return Films(Frames.of(padded(told), times, weights(times, there)), padded(truth), there)


def weights(times: Tensor, there: Tensor) -> Tensor:
    """[B, T] seconds for which frames stand, 0 where there is none."""
    found = torch.zeros_like(times)
    for film, mask in enumerate(there):
        found[film, mask] = torch.as_tensor(stands_for(times[film, mask].numpy())).float()
    return found


def mirrored(films: Films, which: Tensor, mirror: Mirror) -> Films:
    """The films for which `which` [B] holds have their left for their right."""
    f, pick = films.frames, which[:, None, None]
    turn = torch.where(pick, -f.turn * mirror.across, f.turn)  # a vector of rotation is an axial one
    face = torch.where(pick, mirror.face(f.face), f.face)
    logvar = torch.where(pick, f.logvar[..., mirror.order], f.logvar)
    frames = Frames(f.time_s, f.weight, face, logvar, turn)
    return Films(frames, torch.where(pick, mirror.face(films.face), films.face), films.there)


def thinned(films: Films, share: float, generator: torch.Generator) -> Films:
    """Films of which frames are left out: in half of them every second, in the others some by chance."""
    count, longest = films.there.shape
    which, how, much = processes.uniform(torch.empty(count, 3, 1), generator).unbind(1)
    second = torch.arange(longest) % 2 == 0
    some = processes.uniform(torch.empty(count, longest), generator) > 0.5 * much
    kept = torch.where(which < share, torch.where(how < 0.5, second, some), True) & films.there
    kept = torch.where(kept.sum(1, keepdim=True) >= 4, kept, films.there)
    f = films.frames
    return Films(Frames(f.time_s, weights(f.time_s, kept), f.face, f.logvar, f.turn), films.face, kept)


class Travel(nn.Module):
    """How far parameters, in units of the head's priors, move the 468 landmarks of the mean face: to first order."""

    def __init__(self, head: Head, scale: Scale):
        super().__init__()
        face, size = LandmarkFace(head, scale), len(scale.mean)
        with torch.no_grad():
            _, posed = face(torch.cat([torch.zeros(1, size), torch.eye(size)]))
        self.register_buffer("lids", scale.sd[-2:].clone())
        self.register_buffer("each", 1000 * (posed[1:] - posed[0]).flatten(1))  # [S + M, 468 * 3] mm

    def forward(self, apart: Tensor, first: int = 0) -> Tensor:
        """Differences [..., n] of the parameters from the `first` on -> [..., 468, 3] mm."""
        return (apart @ self.each[first : first + apart.shape[-1]]).unflatten(-1, (-1, 3))


def losses(found: Refined, films: Films, travel: Travel, config: TemporalTraining) -> dict[str, Tensor]:
    """Parts of the loss."""
    there, size = films.there, found.shape.shape[-1]
    shape, moving = films.face[..., :size], films.face[..., size:]
    off = travel(found.moving - moving, size)
    apart, speed, change = _differences(off, films.frames.time_s, there)
    true_shape = shape[:, 0]  # the first frame is always there
    parts = {
        "face": config.face * _mean(likelihood(moving[there], found.moving[there], found.moving_logvar[there])),
        "shape": config.shape * likelihood(true_shape, found.shape, found.shape_logvar).mean(),
        "moved": config.moved * _mean(apart),
        "gaps": config.gaps * _mean(_gaps(off)[there]),
        "speed": config.speed_s * _mean(speed),
        "jerkiness": config.jerkiness_s2 * _mean(change),
    }
    return {**parts, "total": sum(parts.values())}


def _mean(values: Tensor) -> Tensor:
    """Of as many as there are, in all processes together; 0 where there is none."""
    return values.sum() / processes.mean(values.new_tensor(float(values.numel()))).clamp(min=1 / processes.count())


def _differences(apart: Tensor, times: Tensor, there: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean lengths of vectors [B, T, L, 3] at the frames that are there, of their velocities, and of their
    accelerations where frames are near one another."""
    order = torch.argsort(~there, dim=1, stable=True)  # those that are there first, as they follow one another
    film = torch.arange(len(apart), device=apart.device)[:, None]
    apart, times, there = apart[film, order], times[film, order], there[film, order]
    step = torch.where(there[:, 1:], times[:, 1:] - times[:, :-1], 1.0)
    near, across = step < LONGEST_STEP_S, step[..., None, None]
    speed = (apart[:, 1:] - apart[:, :-1]) / across
    change = (speed[:, 1:] - speed[:, :-1]) / ((across[:, 1:] + across[:, :-1]) / 2)
    return _length(apart)[there], _length(speed)[near], _length(change)[near[:, 1:] & near[:, :-1]]


def _gaps(off: Tensor) -> Tensor:
    """[...] mean errors of the gaps of lips and lids, of landmarks that are off by [..., 468, 3]."""
    upper, lower = zip(*LIP_PAIRS, *LID_PAIRS, strict=True)
    return _length(off[..., list(upper), :] - off[..., list(lower), :])


def _length(vectors: Tensor) -> Tensor:
    """[...] means over landmarks of [..., L, 3]."""
    return (vectors.square().sum(-1) + 1e-10).sqrt().mean(-1)


def started(config: TemporalTraining, head: Head) -> Temporal:
    """A new network for a head, which changes nothing."""
    torch.manual_seed(config.run.seed)
    sizes = TemporalConfig(head.arrays.id, head.shape_size, head.expression_size + 8)
    return Temporal(sizes_of(sizes, config.network, decided=("head_id", "shape", "moving")))


def train_temporal(
    config: TemporalTraining, sequences: Sequences, head: Head, folder: Path, *, progress: Progress | None = None
) -> Temporal:
    """Train, or go on training, in `folder`; writes `temporal.npz` there. Returns the averaged network."""
    base = base_of(head.arrays.id)
    if base is None:
        raise InputError(f"recon-base knows the default head, not {head.arrays.id!r}; teach recon-base that head first")
    films = told_films(sequences, base, head)
    return train_on(config, films, base.scale, head, folder, progress=progress)


def train_on(
    config: TemporalTraining, films: Films, scale: Scale, head: Head, folder: Path, *, progress: Progress | None = None
) -> Temporal:
    """Of films that recon-base has seen: the last eighth is held out."""
    if len(films) < FEWEST:
        raise InputError(f"{len(films)} films are too few, wanted {FEWEST} or more")
    torch.set_num_threads(config.run.threads)
    device = config.run.device
    net, travel = started(config, head), Travel(head, scale).to(device)
    mirror, count = Mirror(head.arrays) if config.mirrored else None, len(films) - len(films) // 8

    def step(run: Run) -> dict[str, Tensor]:
        batch = films.rows(rows_of_step(count, config.batch, run.step, config.run.seed))
        chance = run.generator()
        if mirror is not None:
            which = processes.uniform(torch.empty(len(batch)), chance) < config.mirrored
            batch = mirrored(batch, which, mirror)
        batch = thinned(batch, config.dropped, chance).to(device)
        with run.autocast():
            return losses(net(batch.frames, Pooled.of(batch.frames)), batch, travel, config)

    def validate(run: Run) -> dict:
        kept = started(config, head).to(device)
        kept.load_state_dict(run.average)
        return measured(kept.eval(), films.rows(np.arange(count, len(films))).to(device), travel)

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=250, progress=progress)
    finished(run, net, save_temporal, folder / "temporal.npz")
    return net


@torch.no_grad()
def measured(net: Temporal, films: Films, travel: Travel) -> dict[str, float]:
    """How near a network comes on films that it has not learnt from, and how near single frames are."""
    found = net(films.frames, Pooled.of(films.frames))
    size, there = found.shape.shape[-1], films.there
    alone = errors(films.frames.face[..., size:], films, travel)
    within = (films.face[..., size:] - found.moving).abs() * torch.exp(-0.5 * found.moving_logvar) <= 0.99446
    neutral = travel(found.shape - films.face[:, 0, :size])
    return {
        **errors(found.moving, films, travel), **{f"{name}_alone": value for name, value in alone.items()},
        "neutral_mm": float(_length(neutral - neutral.mean(-2, keepdim=True)).mean()),
        "coverage68": float(within[there].float().mean()),
    }  # fmt: skip


@torch.no_grad()
def errors(moving: Tensor, films: Films, travel: Travel) -> dict[str, float]:
    """Of parameters [B, T, M]: mean errors of what moves, of its velocity and acceleration, and of the lids."""
    size = films.face.shape[-1] - moving.shape[-1]
    off = moving - films.face[..., size:]
    moved = travel(off, size)
    apart, speed, change = _differences(moved, films.frames.time_s, films.there)
    lids = off[films.there][:, -2:] * travel.lids
    return {
        "moved_mm": float(apart.mean()), "gaps_mm": float(_gaps(moved)[films.there].mean()),
        "speed_mm_s": float(speed.mean()), "change_mm_s2": float(change.mean()),
        "lids": float(lids.square().mean().sqrt()),
    }  # fmt: skip
