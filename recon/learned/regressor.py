"""recon-base: from the crop of a face and its landmarks to a head's parameters, each with how far it may be off.

The landmarks take the pose out (`canonical`). A small convolutional network then sees the face, a small dense one how
its landmarks differ from the mean face's. Together they tell the parameters, and, back at the picture's scale, how far
off each landmark is; landmarks put right then tell what was still missing. Every output is the mean and the
log-variance of a normal distribution, so that the fit can take it for what it is worth (`regressed`).
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import HeadArrays
from flame_tools.weights import load_network, save_network
from readers.layers import conv3
from recon.fitting.layout import Layout
from recon.fitting.priors import prior
from recon.learned.canonical import Canonical

MARKS = 478  # landmarks and the ten points of the irises
OTHERS = 7  # beside the face: rotation 3, place 3, log of the distance
REACH = 0.02  # about how far landmarks are off, crop units
_POSE_SD = [0.1] * 3 + [0.01, 0.01, 0.1, 0.3]  # about how far landmarks err: rotation, place; and log distances spread
_KIND, _VERSION = "emberface-recon-base", 1
_FUSED = {nn.BatchNorm2d: fuse_conv_bn_eval, nn.BatchNorm1d: fuse_linear_bn_eval}


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of a Regressor."""

    head_id: str
    """Of the head whose parameters it tells."""
    shape: int
    """Identity components."""
    expression: int
    """Expression components."""
    size: int = 96
    """Pixels a side of what it sees of a face."""
    channels: tuple[int, ...] = (16, 32, 64, 128)
    """Of that at a half, a quarter, an eighth and a sixteenth of its side."""
    width: int = 256
    """Of what each of the two sees."""
    again: int = 0
    """Of the second look, at landmarks where they were found to be; 0: none."""

    def __post_init__(self):
        if len(self.channels) != 4 or self.size % 2 or self.size < 16:
            raise InputError(
                f"pictures of {self.size} pixels and channels {tuple(self.channels)}; wanted four channels, and an "
                "even size of 16 or more"
            )

    @property
    def face(self) -> int:
        """Face parameters: shape, expression, jaw 2, eyes 4, lids 2."""
        return self.shape + self.expression + 8


@dataclass(frozen=True)
class Estimate:
    """Of N crops. Means and log-variances; the face in units of the head's priors (`Scale`)."""

    face: Tensor  # [N, S + E + 8]
    face_logvar: Tensor  # [N, S + E + 8]
    turn: Tensor  # [N, 3, 3] about how the head is turned in the crop's camera
    pose: Tensor  # [N, 7] rotation vector that comes before `turn`, place (`crop`), log of the distance in metres
    pose_logvar: Tensor  # [N, 7]
    marks: Tensor  # [N, 468, 2] where the landmarks are, crop units
    marks_logvar: Tensor  # [N, 468] of each coordinate


class Scale(nn.Module):
    """Face parameters in the units that a head's priors give them, and back."""

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("sd", torch.ones(size))

    def fit(self, head: HeadArrays) -> None:
        lay = Layout.of(head.shapedirs.shape[2], len(head.expression_names))
        mean, sd = prior(head, lay)
        self.mean.copy_(torch.as_tensor(mean[: len(self.mean)]))
        self.sd.copy_(torch.as_tensor(sd[: len(self.sd)]))

    def forward(self, face: Tensor) -> Tensor:
        return (face - self.mean) / self.sd

    def inverse(self, scaled: Tensor) -> Tensor:
        return self.mean + scaled * self.sd


class Regressor(nn.Module):
    """Pictures [N, 3, P, P] sRGB in [0, 1] of crops and marks [N, 478, 3] in crop units -> Estimate.

    Rows of irises have z = 0.
    """

    def __init__(self, config: RegressorConfig):
        super().__init__()
        self.config, self.name = config, "recon-base"
        a, b, c, d = config.channels
        side = -(-config.size // 16)
        self.canonical = Canonical(config.size)
        self.first = nn.Sequential(nn.PixelUnshuffle(2), conv3(24, a))
        self.quarter = nn.Sequential(conv3(a, b, 2), _Block(b))
        self.eighth = nn.Sequential(conv3(b, c, 2), _Block(c), _Block(c))
        self.sixteenth = nn.Sequential(conv3(c, d, 2), _Block(d))
        self.told = nn.Sequential(
            nn.Linear(3 * MARKS + 9, config.width, bias=False), nn.BatchNorm1d(config.width), nn.ReLU(),
            nn.Linear(config.width, config.width, bias=False), nn.BatchNorm1d(config.width), nn.ReLU(),
        )  # fmt: skip
        self.told_to_all = nn.Linear(config.width, d)
        self.deep = _Block(d)
        self.whole = nn.Sequential(
            nn.Flatten(), nn.Linear(d * side * side, config.width, bias=False), nn.BatchNorm1d(config.width), nn.ReLU()
        )
        self.together = nn.Sequential(
            nn.Linear(2 * config.width, 2 * config.width), nn.ReLU(),
            nn.Linear(2 * config.width, 2 * config.width), nn.ReLU(),
        )  # fmt: skip
        self.leave = nn.Linear(2 * config.width, 2 * (config.face + OTHERS))
        self.again = _again(config) if config.again else None
        self.back = nn.ModuleList([_Back(d, c), _Back(c, b), _Back(b, a)])
        self.near = nn.Linear(a, 2 * a)
        self.which = nn.Parameter(torch.zeros(468, 2 * a))
        self.offset = nn.Linear(2 * a, 3)
        self.scale = Scale(config.face)
        with torch.no_grad():
            for layer in (self.leave, self.offset):
                layer.weight.mul_(0.1)
                layer.bias.zero_()

    def fit(self, head: HeadArrays) -> None:
        """To the units and the mean face of a head."""
        self.scale.fit(head)
        self.canonical.fit(head)

    def forward(self, pictures: Tensor, marks: Tensor) -> Estimate:
        if pictures.ndim != 4 or pictures.shape[1] != 3 or marks.shape[1:] != (MARKS, 3) or len(pictures) != len(marks):
            raise ShapeError(
                f"pictures are {list(pictures.shape)} and marks {list(marks.shape)}; "
                f"wanted [N, 3, H, W] and [N, {MARKS}, 3]"
            )
        upright, n, face = self.canonical(pictures, marks), self.config.face + OTHERS, self.config.face
        told = self.told(torch.cat([upright.marks.flatten(1), upright.turn.flatten(1)], 1))
        half = self.first(upright.picture)
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        deep = self.deep(torch.relu(self.sixteenth(eighth) + self.told_to_all(told)[..., None, None]))
        seen = self.together(torch.cat([self.whole(deep), told], -1))
        out, near = self.leave(seen), deep
        for back, skip in zip(self.back, (eighth, quarter, half), strict=True):
            near = back(near, skip)
        offsets = self.offset(torch.relu(self.near(self.canonical.at_landmarks(near)) + self.which))
        off, off_logvar = REACH * offsets[..., :2], _bounded(offsets[..., 2] - 8)
        if self.again is not None:
            there = self.canonical.moved(upright, off.detach()).flatten(1)
            out = out + self.again(torch.cat([there, off_logvar.detach() / 2, seen], 1))
        values, logvars = out[:, :n], out[:, n:]
        pose = values[:, face:] * values.new_tensor(_POSE_SD)
        return Estimate(
            values[:, :face], _bounded(logvars[:, :face]),
            upright.turn, torch.cat([pose[:, :3], pose[:, 3:6] + upright.place, pose[:, 6:]], 1),
            _bounded(logvars[:, face:] - 3),
            marks[:, :468, :2] + off, off_logvar,
        )  # fmt: skip


def _again(config: RegressorConfig) -> nn.Sequential:
    """Differences of found landmarks from the mean face, how sure each is, and what was seen before: what to add."""
    last = nn.Linear(config.again, 2 * (config.face + OTHERS))
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(4 * 468 + 2 * config.width, config.again, bias=False), nn.BatchNorm1d(config.again), nn.ReLU(),
        nn.Linear(config.again, config.again), nn.ReLU(), last,
    )  # fmt: skip


class _Back(nn.Module):
    """Twice the side, with what was seen there before (Ronneberger et al. 2015)."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.narrow, self.block = conv3(before, after), _Block(after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.block(skip + interpolate(self.narrow(x), size=skip.shape[-2:], mode="nearest"))


def _bounded(logvar: Tensor) -> Tensor:
    """Between e^-12 and e^3."""
    return -12 + 15 * torch.sigmoid((logvar + 4.5) / 3.75)


class _Block(nn.Module):
    """Two convolutions beside a short cut (He et al. 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = conv3(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


def marks_of(landmarks: np.ndarray, iris: np.ndarray) -> np.ndarray:
    """Landmarks [..., 468, 3] and irises [..., 10, 2] in crop units as marks [..., 478, 3]."""
    flat = np.concatenate([iris, np.zeros((*iris.shape[:-1], 1), iris.dtype)], -1)
    return np.concatenate([landmarks, flat], -2)


def save_regressor(net: Regressor, path: Path) -> None:
    """In half precision: half the size, and no parameter moves by a thousandth of its own uncertainty."""
    save_network(net, path, _KIND, _VERSION)


def fused(net: Regressor) -> Regressor:
    """A copy to look with, not to learn: every normalisation is part of the layer before it. A seventh faster."""
    net = copy.deepcopy(net).eval()
    for part in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for i in range(len(part) - 1):
            fuse = _FUSED.get(type(part[i + 1]))
            if fuse is not None:
                part[i], part[i + 1] = fuse(part[i], part[i + 1]), nn.Identity()
    return net.to(memory_format=torch.channels_last)


def load_regressor(path: Path) -> Regressor:
    """Strictly. Its `name` is that of the file's bytes."""
    net = load_network(Regressor, RegressorConfig, path, _KIND, _VERSION)
    net.name = f"recon-base {hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]}"
    return net
