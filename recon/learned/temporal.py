"""recon-base's temporal head: what it says of the frames of a film, each in the light of those around it.

Single frames tremble, and are unsure where something covers the face; a person is the same in all of them. The head
takes means and log-variances frame by frame. Who somebody is comes from all frames together. What moves is mixed, for
each parameter and frame, from what the frame says and from means around it, weighed by precision, over windows of
several lengths; a small network looks at all of it and says how much of each, and what else to add. SPECTRE
(Filntisis et al. 2023) adds such a residual by a convolution over five frames; here windows are in seconds, and every
sum over frames is an integral over time, so that films of any rate, even or not, give the same motion. Nothing lags:
frames look both ways.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from assets.locate import asset_path
from flame_tools.errors import ShapeError
from flame_tools.weights import load_network, save_network

MEANS_S = (0.06, 0.12, 0.25)  # reach to either side of the means that are mixed
LOOKS_S = (0.12, 0.3)  # of what the network sees around a frame, in each of its layers
LONGEST_STEP_S = 0.1  # a frame stands for no more time than this, however far the next ones are
TURN = 3  # of a row of what is told, after means and log-variances: how the head is turned, a rotation vector
_KIND, _VERSION = "emberface-recon-temporal", 1


@dataclass(frozen=True)
class TemporalConfig:
    """Sizes of a Temporal."""

    head_id: str
    """Of the head whose parameters it refines."""
    shape: int
    """Identity components."""
    moving: int
    """Other parameters: expression, jaw 2, eyes 4, lids 2."""
    width: int = 96
    """Of what the network sees of a frame."""
    layers: int = 2
    """How often it looks around."""
    dropout: float = 0.15
    """Share of what it sees that it does without while it learns."""

    @property
    def reach_s(self) -> float:
        """Seconds to either side on which a frame depends."""
        return max(MEANS_S) + self.layers * max(LOOKS_S)


@dataclass(frozen=True)
class Frames:
    """What recon-base says of T frames of one person, in their order; all in units of the head's priors."""

    time_s: Tensor  # [..., T]
    weight: Tensor  # [..., T] how much each counts: trust times the seconds for which it stands; 0: not at all
    face: Tensor  # [..., T, S + M]
    logvar: Tensor  # [..., T, S + M]
    turn: Tensor  # [..., T, 3] rotation vector, radians

    @staticmethod
    def of(told: Tensor, time_s: Tensor, weight: Tensor) -> Frames:
        """From rows [..., T, 2 (S + M) + 3] as `regressed.NetworkCorrector` keeps them."""
        size = (told.shape[-1] - TURN) // 2
        face, logvar, turn = told.split((size, size, TURN), -1)
        return Frames(time_s, weight, face, logvar, turn)

    def cut(self, rows: slice) -> Frames:
        return Frames(*(value[rows] for value in vars(self).values()))


@dataclass(frozen=True)
class Pooled:
    """Sums over a film, to which frames are added as they come."""

    weight: Tensor  # [..., S + M] of precisions
    total: Tensor  # [..., S + M] of precisions times values
    time: Tensor  # [...] of weights

    @staticmethod
    def of(frames: Frames) -> Pooled:
        precision = frames.weight[..., None] * torch.exp(-frames.logvar)
        return Pooled(precision.sum(-2), (precision * frames.face).sum(-2), frames.weight.sum(-1))

    def __add__(self, other: Pooled) -> Pooled:
        return Pooled(self.weight + other.weight, self.total + other.total, self.time + other.time)

    @property
    def mean(self) -> Tensor:
        """[..., S + M] by precision."""
        return self.total / self.weight.clamp_min(1e-12)

    @property
    def logvar(self) -> Tensor:
        """[..., S + M] of a usual frame: frames of a film err alike."""
        return torch.log(self.time.clamp_min(1e-12)[..., None] / self.weight.clamp_min(1e-12))


@dataclass(frozen=True)
class Refined:
    """In units of the head's priors."""

    shape: Tensor  # [..., S] of the whole film
    shape_logvar: Tensor  # [..., S]
    moving: Tensor  # [..., T, M]
    moving_logvar: Tensor  # [..., T, M]


class Temporal(nn.Module):
    """Frames and what they come to in the whole film -> Refined. A new one changes nothing."""

    def __init__(self, config: TemporalConfig):
        super().__init__()
        self.config, self.name = config, "recon-temporal"
        m, d = config.moving, config.width
        self.gain = nn.Parameter(torch.zeros(config.shape))
        self.enter = nn.Linear((3 + len(MEANS_S)) * m + TURN, d)
        self.drop = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(_Around(d, config.dropout) for _ in range(config.layers))
        self.leave = nn.Linear(d, (2 + len(MEANS_S)) * m)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, frames: Frames, film: Pooled) -> Refined:
        s, m = self.config.shape, self.config.moving
        if frames.face.shape[-1] != s + m:
            raise ShapeError(f"frames tell {frames.face.shape[-1]} parameters, this head refines {s} + {m}")
        apart = (frames.time_s[..., :, None] - frames.time_s[..., None, :]).to(frames.face)
        said, logvar = frames.face[..., s:], frames.logvar[..., s:]
        precision = torch.exp(-logvar)
        means = []
        for reach in MEANS_S:
            near = _bump(apart / reach) * frames.weight[..., None, :]
            total = near @ precision
            mean = (near @ (precision * said)) / total.clamp_min(1e-12)
            means.append(torch.where(total > 1e-12, mean - said, 0.0))
        usual = film.mean[..., None, s:].expand_as(said)
        seen = [said - usual, usual, 0.3 * (logvar + 2), *(4 * mean for mean in means), 2 * frames.turn]
        hidden = self.drop(self.enter(torch.cat(seen, -1)))
        around = _kernels(apart, frames.weight)
        for layer in self.layers:
            hidden = layer(hidden, around)
        shares, more, surer = self.leave(hidden).split((len(means) * m, m, m), -1)
        mixed = said + more
        for share, mean in zip(shares.split(m, -1), means, strict=True):
            mixed = mixed + share * mean
        return Refined(film.mean[..., :s] * (1 + self.gain), film.logvar[..., :s], mixed, logvar + surer)


class _Around(nn.Module):
    """What a frame sees, and how it changes about it: a convolution over continuous time, in seconds."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm, wide = nn.LayerNorm(width), 2 * width
        looks = (1 + 2 * len(LOOKS_S)) * width
        self.mix = nn.Sequential(nn.Linear(looks, wide), nn.GELU(), nn.Dropout(dropout), nn.Linear(wide, width))

    def forward(self, hidden: Tensor, kernels: list[Tensor]) -> Tensor:
        own = self.norm(hidden)
        return hidden + self.mix(torch.cat([own, *(kernel @ own for kernel in kernels)], -1))


def _kernels(apart: Tensor, weight: Tensor) -> list[Tensor]:
    """[..., T, T] means, and slopes, over each of LOOKS_S."""
    kernels = []
    for reach in LOOKS_S:
        near = _bump(apart / reach) * weight[..., None, :]
        near = near / near.sum(-1, keepdim=True).clamp_min(1e-12)
        kernels += [near, -3 * near * apart / reach]
    return kernels


def _bump(x: Tensor) -> Tensor:
    """Smooth, 1 at 0, and nothing beyond 1."""
    return (1 - x.square()).clamp_min(0).square()


def stands_for(time_s: np.ndarray) -> np.ndarray:
    """[T] seconds for which each of the frames at times [T] stands: half of the way to those beside it."""
    if len(time_s) < 2:
        return np.full(len(time_s), LONGEST_STEP_S)
    step = np.minimum(np.diff(time_s), LONGEST_STEP_S)
    return (np.append(step[:1], step) + np.append(step, step[-1:])) / 2


@torch.inference_mode()
def refined(net: Temporal, frames: Frames, film: Pooled, rows: slice, of: slice) -> Refined:
    """The rows `of` a film of which `frames` are those `rows` that reach far enough to either side."""
    found = net(frames, film)
    own = slice(of.start - rows.start, of.stop - rows.start)
    return Refined(found.shape, found.shape_logvar, found.moving[own], found.moving_logvar[own])


def reaching(time_s: np.ndarray, rows: slice, reach_s: float) -> slice:
    """The rows on which some rows of a film with frames at times [T] depend."""
    start = np.searchsorted(time_s, time_s[rows.start] - reach_s, side="left")
    stop = np.searchsorted(time_s, time_s[rows.stop - 1] + reach_s, side="right")
    return slice(int(start), int(stop))


def save_temporal(net: Temporal, path: Path) -> None:
    save_network(net, path, _KIND, _VERSION)


def load_temporal(path: Path) -> Temporal:
    """Strictly. Its `name` is that of the file's bytes."""
    net = load_network(Temporal, TemporalConfig, path, _KIND, _VERSION)
    net.name = f"recon-temporal {hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]}"
    return net


@functools.lru_cache(maxsize=1)
def bundled_temporal() -> Temporal:
    return load_temporal(asset_path("recon-temporal"))
