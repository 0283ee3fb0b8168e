"""What the networks that animate learn: one row a frame, expression | jaw 3 | eyes 6 | lids 2 | neck 3, D = E + 14.

The order of flame_tools.transfer.motion with the neck behind it. Weights as the head has them, rotations in radians.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from flame_tools.head import Head
from flame_tools.transfer.motion import motion_of, params_of
from flame_tools.types import FaceParams, Track

NECK = 3
_LEAST_SD = 0.02  # a column that hardly moves is not blown up to noise: 2 % of a weight, a degree


def rows_of(track: Track, times: np.ndarray) -> np.ndarray:
    """Motion [len(times), D] float32 of a track at times [T] in seconds, linear between its frames."""
    neck = track.params.neck.detach().cpu().double().expand(len(track), NECK).numpy()
    own = np.concatenate([motion_of(track.params), neck], -1)
    own = np.broadcast_to(own, (len(track), own.shape[-1]))
    return np.stack([np.interp(times, track.time_s, column) for column in own.T], -1).astype(np.float32)


def face_of(motion: Tensor, head: Head) -> FaceParams:
    """Parameters of motion [..., D] on the mean identity, differentiable."""
    return params_of(motion[..., :-NECK], head).replace(neck=motion[..., -NECK:].to(head.v_template))


class Scale(nn.Module):
    """Motion to numbers around 0 with deviations around 1, and back."""

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("sd", torch.ones(size))

    def fit(self, motion: Tensor) -> None:
        """Take mean and deviation of rows [n, D]."""
        self.mean.copy_(motion.mean(0))
        self.sd.copy_(motion.std(0, correction=0).clamp(min=_LEAST_SD))

    def forward(self, motion: Tensor) -> Tensor:
        return (motion - self.mean) / self.sd

    def back(self, values: Tensor) -> Tensor:
        return values * self.sd + self.mean
