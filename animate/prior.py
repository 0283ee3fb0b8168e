"""The motion prior: what faces do in a quarter of a second, as a few numbers, learnt from motion alone.

A temporal autoencoder after FLINT (Danecek et al. 2023, EMOTE): eight frames a latent, a convolution and windowed
attention on either side. It sees a bounded way back and ahead, so that any length goes through at once or piece by
piece with one result; where a length is no multiple of eight the last frame is held until it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from animate.bottleneck import BOTTLENECKS
from animate.encoder.blocks import Convolution, FeedForward, WindowedAttention, check_heads
from animate.encoder.windowed import Delay
from animate.motion import Scale
from flame_tools.errors import InputError, ShapeError


@dataclass(frozen=True)
class PriorConfig:
    """The prior's size."""

    motion: int
    """Columns of a motion row, D."""
    latent: int = 128
    """Numbers a latent."""
    frames: int = 8
    """Motion frames a latent."""
    width: int = 192
    """Channels."""
    heads: int = 8
    """Attention heads."""
    reach: int = 2
    """Frames that a convolution looks to either side."""
    back: int = 3
    """Latents that attention looks back."""
    ahead: int = 3
    """Latents that attention looks ahead."""
    bottleneck: str = "gaussian"
    """gaussian (VAE) or codebook (VQ)."""

    def __post_init__(self):
        if self.bottleneck not in BOTTLENECKS:
            raise InputError(f"bottleneck is {self.bottleneck!r}, wanted one of: {', '.join(BOTTLENECKS)}")
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class Reconstruction:
    """What came back through the prior."""

    motion: Tensor  # [B, T, D]
    cost: Tensor  # scalar: KL divergence or distance to the codes


class Prior(nn.Module):
    def __init__(self, config: PriorConfig):
        super().__init__()
        width, frames = config.width, config.frames
        self.config = config
        self.scale = Scale(config.motion)
        self.enter = nn.Linear(config.motion, width)
        self.see = Convolution(width, config.reach)
        self.squash = nn.Linear(frames * width, width)
        self.gather = WindowedAttention(width, config.heads, config.back, config.ahead)
        self.digest = FeedForward(width)
        self.bottleneck = BOTTLENECKS[config.bottleneck](width, config.latent)
        self.decoder = Decoder(config)

    def encode(self, motion: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Motion [B, T, D] -> latents [B, ceil(T / frames), latent] and their cost; drawn with a generator."""
        if motion.shape[-1] != self.config.motion:
            raise ShapeError(f"motion is {list(motion.shape)}, this prior was made for [B, T, {self.config.motion}]")
        x = self.see(self.enter(self.scale(motion)), self.config.reach)
        x = self.squash(stacked(x, self.config.frames))
        x = self.digest(self.gather(x, self.config.ahead))
        return self.bottleneck(x, generator)

    def decode(self, latents: Tensor, frames: int) -> Tensor:
        """Latents [B, L, latent] -> motion [B, frames, D]; frames at most L times the config's."""
        return self.scale.back(self.decoder(latents)[:, :frames])

    def forward(self, motion: Tensor, generator: torch.Generator | None = None) -> Reconstruction:
        latents, cost = self.encode(motion, generator)
        return Reconstruction(self.decode(latents, motion.shape[1]), cost)


class Decoder(nn.Module):
    """Latents to motion, in the prior's own scale."""

    def __init__(self, config: PriorConfig):
        super().__init__()
        width = config.width
        self.config = config
        self.enter = nn.Linear(config.latent, width)
        self.gather = WindowedAttention(width, config.heads, config.back, config.ahead)
        self.digest = FeedForward(width)
        self.unfold = nn.Linear(width, config.frames * width)
        self.smooth = nn.ModuleList(Convolution(width, config.reach) for _ in range(2))
        self.leave = nn.Linear(width, config.motion)

    def forward(self, latents: Tensor, delays: tuple[Delay, ...] | None = None, last: bool = True) -> Tensor:
        """Latents [B, L, latent] -> [B, L * frames, D]; with delays those frames that are certain."""
        attention, *convolutions = delays or (None,) * (1 + len(self.smooth))
        x = self.digest(self.gather(self.enter(latents), self.config.ahead, attention, last))
        x = self.unfold(x).unflatten(-1, (self.config.frames, -1)).flatten(-3, -2)
        for convolution, delay in zip(self.smooth, convolutions, strict=True):
            x = convolution(x, self.config.reach, delay, last)
        return self.leave(x)

    def delays(self) -> tuple[Delay, ...]:
        """The memory of a stream."""
        windows = [self.gather.window(self.config.ahead), *(c.window(self.config.reach) for c in self.smooth)]
        return tuple(Delay(window) for window in windows)

    @property
    def ahead_frames(self) -> int:
        """Motion frames of the future that a frame stands on, beyond its own latent's."""
        return self.config.ahead * self.config.frames + len(self.smooth) * self.config.reach


def stacked(rows: Tensor, frames: int) -> Tensor:
    """Rows [B, T, C] -> [B, ceil(T / frames), frames * C], the last row held as far as is needed."""
    count = rows.shape[1]
    held = -count % frames
    if held:
        rows = functional.pad(rows.mT, (0, held), mode="replicate").mT
    return rows.unflatten(1, (-1, frames)).flatten(-2)
