"""Flow matching in the latents of the motion prior: noise to one of the many ways in which a line can be performed.

A latent z of the prior (scaled to mean 0, deviation 1) and noise x_0 ~ N(0, 1) are joined by a straight line,

    x_t = (1 - t) x_0 + t z,        dx_t / dt = z - x_0,

and a network learns that velocity from x_t, t and the conditions c (conditional flow matching with sigma_min = 0, Eqs.
20-23 of Lipman et al. 2023; rectified flow, Eq. 1 of Liu et al. 2023):

    E over t ~ U(0, 1), x_0, (z, c) of |v(x_t, t, c) - (z - x_0)|^2.

Following v from noise at t = 0 to t = 1 draws from what was learnt (animate.takes does). Speech is heard at the frames
and told to the latents; attention sees a bounded way at every stage, so that there is no longest recording.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from animate.emotion import EMOTIONS
from animate.encoder.blocks import Block, FeedForward, check_heads
from animate.encoder.windowed import Delay
from animate.model import Conditions
from animate.motion import Scale
from animate.prior import Prior, stacked
from animate.style import STYLE, StyleEncoder
from flame_tools.errors import ShapeError

_TIMES = 32  # frequencies that tell a flow time


@dataclass(frozen=True)
class FlowConfig:
    """The network's size and how far it looks."""

    features: int
    """Numbers a frame that a speech encoder gives."""
    speakers: int = 1
    """Styles that are learnt by name."""
    width: int = 192
    """Channels."""
    heads: int = 6
    """Attention heads."""
    hearing: int = 2
    """Blocks over the frames of the speech."""
    back: int = 20
    """Frames that they look back, a block."""
    ahead: int = 10
    """Frames that they look ahead, a block."""
    reach: int = 3
    """Frames that their convolutions look to either side."""
    blocks: int = 4
    """Blocks over the latents."""
    latents_back: int = 4
    """Latents that they look back, a block."""
    latents_ahead: int = 2
    """Latents that they look ahead, a block; their convolutions look one to either side."""

    def __post_init__(self):
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class Told:
    """Which conditions the velocity is told of, [B] bool each, or one for all."""

    audio: Tensor | bool = True
    emotion: Tensor | bool = True
    style: Tensor | bool = True


EVERYTHING = Told()


class Flow(nn.Module):
    def __init__(self, config: FlowConfig, prior: Prior):
        """`prior` is frozen."""
        super().__init__()
        width = config.width
        self.config = config
        self.prior = prior.requires_grad_(False)
        self.scale = Scale(prior.config.latent)
        self.hear = nn.Linear(config.features, width)
        self.hearing = nn.ModuleList(
            Block(width, config.heads, config.back, config.ahead, config.reach) for _ in range(config.hearing)
        )
        self.gather = nn.Linear(prior.config.frames * width, width)
        self.feel = nn.Linear(len(EMOTIONS), width)
        self.manner = nn.Linear(STYLE, width, bias=False)  # zeros, nobody's, tell nothing
        self.unheard = nn.Parameter(torch.randn(width) * 0.02)
        self.unfelt = nn.Parameter(torch.randn(width) * 0.02)
        self.enter = nn.Linear(prior.config.latent, width)
        self.join = nn.Linear(2 * width, width)
        self.digest = FeedForward(width)
        self.clock = nn.Sequential(
            nn.Linear(2 * _TIMES, width), nn.SiLU(), nn.Linear(width, 2 * width * (config.blocks + 1))
        )
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.latents_back, config.latents_ahead, 1) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, prior.config.latent)
        self.styles = nn.Embedding(config.speakers, STYLE)
        self.style_encoder = StyleEncoder(prior.config.motion)
        for layer in (self.clock[-1], self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def heard(self, features: Tensor, delays: tuple[tuple[Delay, Delay], ...] | None = None, last: bool = True):
        """Features [B, T, C] -> [B, T, width], or with delays those frames of them that are certain."""
        if features.shape[-1] != self.config.features:
            raise ShapeError(f"features are {list(features.shape)}, this flow hears [B, T, {self.config.features}]")
        x = self.hear(features)
        for block, pair in zip(self.hearing, delays or (None,) * len(self.hearing), strict=True):
            x = block(x, self.config.ahead, pair, last)
        return x

    def gathered(self, heard: Tensor, conditions: Conditions) -> tuple[Tensor, Tensor, Tensor]:
        """Frames [B, T, width] and conditions -> what each latent is told of: audio, emotion, style [B, L, width]."""
        frames, each = self.prior.config.frames, heard.shape[:2]
        audio = self.gather(stacked(heard, frames))
        rows = (value.expand(*each, -1) for value in (conditions.emotion, conditions.style))
        emotion, style = (stacked(value, frames).unflatten(-1, (frames, -1)).mean(-2) for value in rows)
        return audio, self.feel(emotion), self.manner(style)

    def told(self, audio: Tensor, emotion: Tensor, style: Tensor, which: Told = EVERYTHING) -> Tensor:
        """The conditions [B, L, width] of the velocity, some of them left out."""

        def kept(value: Tensor, keep: Tensor | bool, instead: Tensor) -> Tensor:
            keep = torch.as_tensor(keep, device=value.device).reshape(-1, 1, 1)
            return torch.where(keep, value, instead)

        return (
            kept(audio, which.audio, self.unheard)
            + kept(emotion, which.emotion, self.unfelt)
            + kept(style, which.style, torch.zeros_like(style[:1, :1]))
        )

    def velocity(
        self,
        x: Tensor,  # [B, L, latent] at flow time t
        t: Tensor,  # [B] or [1] in [0, 1]
        told: Tensor,  # [B, L, width]
        delays: tuple[tuple[Delay, Delay], ...] | None = None,
        last: bool = True,
    ) -> Tensor:
        """dx / dt [B, L, latent], or with delays those latents of it that are certain."""
        places = t[:, None] * torch.exp(torch.linspace(0.0, math.log(100.0), _TIMES, device=t.device, dtype=t.dtype))
        turns = self.clock(torch.cat([places.sin(), places.cos()], -1))[:, None]
        scales = turns.chunk(2 * (len(self.blocks) + 1), -1)
        y = self.digest(self.join(torch.cat([self.enter(x), told], -1)))
        for i, (block, pair) in enumerate(zip(self.blocks, delays or (None,) * len(self.blocks), strict=True)):
            y = block(y * (1 + scales[2 * i]) + scales[2 * i + 1], self.config.latents_ahead, pair, last)
        return self.leave(self.norm(y) * (1 + scales[-2]) + scales[-1])

    def decode(self, x: Tensor, frames: int) -> Tensor:
        """Latents [B, L, latent] as the flow has them -> motion [B, frames, D]."""
        return self.prior.decode(self.scale.back(x), frames)

    def encode(self, motion: Tensor) -> Tensor:
        """Motion [B, T, D] -> latents [B, ceil(T / frames), latent] as the flow has them, the means of the prior."""
        return self.scale(self.prior.encode(motion)[0])

    def hearing_delays(self) -> tuple[tuple[Delay, Delay], ...]:
        """The memory of a stream that hears."""
        return tuple(block.delays(self.config.ahead) for block in self.hearing)

    def delays(self) -> tuple[tuple[Delay, Delay], ...]:
        """The memory of a stream of velocities."""
        return tuple(block.delays(self.config.latents_ahead) for block in self.blocks)

    @property
    def frames_ahead(self) -> int:
        """Frames of the future that hearing stands on."""
        return sum(block.lookahead(self.config.ahead) for block in self.hearing)

    @property
    def latents_ahead(self) -> int:
        """Latents of the future that a velocity stands on."""
        return sum(block.lookahead(self.config.latents_ahead) for block in self.blocks)
