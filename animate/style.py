"""How somebody moves: 128 numbers of a person, learnt by name or taken from a few seconds of their motion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from animate.encoder.blocks import Convolution, FeedForward
from animate.motion import Scale

STYLE = 128


class StyleEncoder(nn.Module):
    """A stretch of motion to a style; blind to when things happen, so that what is said does not pass."""

    def __init__(self, motion: int, width: int = 128, reach: int = 4):
        super().__init__()
        self.scale = Scale(motion)
        self.reach = reach
        self.enter = nn.Linear(motion, width)
        self.see = nn.ModuleList(Convolution(width, reach) for _ in range(2))
        self.digest = FeedForward(width)
        self.leave = nn.Linear(2 * width, STYLE)

    def forward(self, motion: Tensor) -> Tensor:
        """Motion [B, T, D] of a few seconds -> styles [B, STYLE]."""
        x = self.enter(self.scale(motion))
        for convolution in self.see:
            x = convolution(x, self.reach)
        x = self.digest(x)
        spread = x.var(1, correction=0).add(1e-6).sqrt()
        return self.leave(torch.cat([x.mean(1), spread], -1))
