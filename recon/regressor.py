"""recon-base: from the crop of a face and its landmarks to a head's parameters, each with how far it may be off.

A small convolutional network sees the crop, a small dense one the landmarks that were read in it; what they say is
put together at the end. Every output is the mean and the log-variance of a normal distribution, so that the fit can
take it for what it is worth (`recon.regressed`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import ShapeError
from flame_tools.types import HeadArrays
from flame_tools.weights import arrays_of, filled
from recon.landmark_model import Layout
from recon.priors import prior

MARKS = 478  # landmarks and the ten points of the irises
OTHERS = 7  # beside the face: rotation 3, place 3, log of the distance
_POSE = [0.0] * 5 + [1.3, 0.0]  # about the mean of crops: rotation, place, log of the distance
_POSE_SD = [0.5] * 3 + [0.1, 0.1, 0.3, 0.3]  # and how far they spread
_KIND, _VERSION = "emberface-recon-base", 1


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of a Regressor."""

    head_id: str
    """Of the head whose parameters it tells."""
    shape: int
    """Identity components."""
    expression: int
    """Expression components."""
    size: int = 112
    """Pixels a side of its pictures."""
    channels: tuple[int, ...] = (16, 32, 64, 128)
    """Of the picture at a half, a quarter, an eighth and a sixteenth of its side."""
    width: int = 256
    """Of what each of the two sees."""

    @property
    def face(self) -> int:
        """Face parameters: shape, expression, jaw 2, eyes 4, lids 2."""
        return self.shape + self.expression + 8


@dataclass(frozen=True)
class Estimate:
    """Of N crops. Means and log-variances; the face in units of the head's priors (`Scale`)."""

    face: Tensor  # [N, S + E + 8]
    face_logvar: Tensor  # [N, S + E + 8]
    pose: Tensor  # [N, 7] rotation vector, place (recon.crop), log of the distance in metres
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
    """Pictures [N, 3, size, size] sRGB in [0, 1] and marks [N, 478, 3] in crop units -> Estimate.

    Rows of irises have z = 0. Marks that are all 0 say that none were read.
    """

    def __init__(self, config: RegressorConfig):
        super().__init__()
        self.config = config
        a, b, c, d = config.channels
        side = config.size // 16
        self.picture = nn.Sequential(
            _conv(12, a), _conv(a, b, 2), _Block(b), _conv(b, c, 2), _Block(c), _Block(c),
            _conv(c, d, 2), _Block(d), _Block(d), nn.Flatten(),
            nn.Linear(d * side * side, config.width, bias=False), nn.BatchNorm1d(config.width), nn.ReLU(),
        )  # fmt: skip
        self.marks = nn.Sequential(
            nn.Linear(3 * MARKS, 2 * config.width), nn.ReLU(), nn.Linear(2 * config.width, config.width), nn.ReLU()
        )
        self.together = nn.Sequential(
            nn.Linear(2 * config.width, 2 * config.width), nn.ReLU(),
            nn.Linear(2 * config.width, 2 * config.width), nn.ReLU(),
        )  # fmt: skip
        self.leave = nn.Linear(2 * config.width, 2 * (config.face + OTHERS) + 3 * 468)
        self.scale = Scale(config.face)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()

    def forward(self, pictures: Tensor, marks: Tensor) -> Estimate:
        size, n = self.config.size, self.config.face + OTHERS
        if pictures.shape[1:] != (3, size, size) or marks.shape[1:] != (MARKS, 3) or len(pictures) != len(marks):
            raise ShapeError(
                f"pictures are {list(pictures.shape)} and marks {list(marks.shape)}; "
                f"wanted [N, 3, {size}, {size}] and [N, {MARKS}, 3]"
            )
        mean = pictures.mean((1, 2, 3), keepdim=True)
        spread = pictures.var((1, 2, 3), keepdim=True, correction=0)
        seen = self.picture(pixel_unshuffle((pictures - mean) * torch.rsqrt(spread + 1e-3), 2))
        known = (marks != 0).any(-1, keepdim=True)
        told = self.marks(torch.where(known, (marks - marks.new_tensor([0.5, 0.5, 0.0])) * 4, marks).flatten(1))
        out = self.leave(self.together(torch.cat([seen, told], -1)))
        values, logvars, offsets = out[:, :n], out[:, n : 2 * n], out[:, 2 * n :].unflatten(-1, (468, 3))
        face = self.config.face
        return Estimate(
            values[:, :face], _bounded(logvars[:, :face]),
            values[:, face:] * values.new_tensor(_POSE_SD) + values.new_tensor(_POSE), _bounded(logvars[:, face:] - 3),
            marks[:, :468, :2] + 0.02 * offsets[..., :2], _bounded(offsets[..., 2] - 8),
        )  # fmt: skip


def _bounded(logvar: Tensor) -> Tensor:
    """Between e^-12 and e^3."""
    return -12 + 15 * torch.sigmoid((logvar + 4.5) / 3.75)


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class _Block(nn.Module):
    """Two convolutions beside a short cut (He et al. 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


def marks_of(landmarks: np.ndarray, iris: np.ndarray) -> np.ndarray:
    """Landmarks [..., 468, 3] and irises [..., 10, 2] in crop units as marks [..., 478, 3]."""
    flat = np.concatenate([iris, np.zeros((*iris.shape[:-1], 1), iris.dtype)], -1)
    return np.concatenate([landmarks, flat], -2)


def save_regressor(net: Regressor, path: Path) -> None:
    """In half precision: half the size, and no parameter moves by a thousandth of its own uncertainty."""
    write_npz(path, arrays_of(net), {"format": _KIND, "version": _VERSION, "config": asdict(net.config)})


def load_regressor(path: Path) -> Regressor:
    """Strictly."""
    arrays, header = read_npz(path, _KIND, _VERSION)
    config = {name: tuple(v) if isinstance(v, list) else v for name, v in header["config"].items()}
    return filled(Regressor(RegressorConfig(**config)), arrays, path).eval()
