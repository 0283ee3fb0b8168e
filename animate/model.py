"""Speech to motion: features of a voice and how it feels to what the face does, frame for frame.

A transformer over the frames (animate.encoder.blocks: attention within a window, with a learned bias for each relative
distance), told at every frame what is felt and by whom. It answers in the latents of a motion prior, or in motion
directly. Windows make it blind to absolute time: there is no longest recording, and `Stream` gives piece by piece what
a forward pass over all of it gives, with as much memory in the tenth hour as in the first second. The same weights
serve two bounds: `offline` looks as far ahead as the network can, `live` answers soon.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from animate.emotion import EMOTIONS
from animate.encoder.blocks import Block, check_heads
from animate.motion import Scale
from animate.prior import Prior, stacked
from animate.style import STYLE, StyleEncoder
from flame_tools.errors import ShapeError


@dataclass(frozen=True)
class ModelConfig:
    """The network's size and how far it looks."""

    features: int
    """Numbers a frame that a speech encoder gives."""
    motion: int
    """Columns of a motion row, D."""
    speakers: int = 1
    """Styles that are learnt by name."""
    width: int = 192
    """Channels."""
    blocks: int = 4
    """Blocks."""
    heads: int = 6
    """Attention heads."""
    back: int = 30
    """Frames that attention looks back, a block."""
    ahead: int = 10
    """Frames that attention looks ahead, a block."""
    reach: int = 3
    """Frames that a convolution looks to either side."""
    live_ahead: int = 1
    """Frames that the first block looks ahead when the delay must be short; the others then look at the past alone."""

    def __post_init__(self):
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class Conditions:
    """How it is said. Both may change from frame to frame, or be one row [B, 1, ...] for all of them."""

    emotion: Tensor  # [B, T or 1, 8] in the order of EMOTIONS, any reals: direction is the mix, size the intensity
    style: Tensor  # [B, T or 1, 128]; zeros are nobody's

    def rows(self, part: slice) -> Conditions:
        """The conditions of some frames."""
        return Conditions(*(value if value.shape[1] == 1 else value[:, part] for value in vars(self).values()))


class SpeechToMotion(nn.Module):
    def __init__(self, config: ModelConfig, prior: Prior | None = None):
        """`prior` is frozen; None: motion is answered directly."""
        super().__init__()
        width = config.width
        self.config = config
        self.hear = nn.Linear(config.features, width)
        self.feel = nn.Linear(len(EMOTIONS) + STYLE, width)
        self.join = nn.Linear(2 * width, width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.back, config.ahead, config.reach) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.styles = nn.Embedding(config.speakers, STYLE)
        self.style_encoder = StyleEncoder(config.motion)
        self.prior = prior
        if prior is None:
            self.scale = Scale(config.motion)
            self.leave = nn.Linear(width, config.motion)
        else:
            if prior.config.motion != config.motion:
                raise ShapeError(f"the prior was made for {prior.config.motion} columns, the model for {config.motion}")
            prior.requires_grad_(False)
            self.leave = nn.Linear(prior.config.frames * width, prior.config.latent)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    @property
    def offline(self) -> tuple[int, ...]:
        return (self.config.ahead,) * self.config.blocks

    @property
    def live(self) -> tuple[int, ...]:
        return (self.config.live_ahead,) + (0,) * (self.config.blocks - 1)

    def forward(self, features: Tensor, conditions: Conditions, ahead: tuple[int, ...] | None = None) -> Tensor:
        """Features [B, T, C] -> motion [B, T, D]; `ahead` is how far each block looks, `offline` where None."""
        x = self.enter(features, conditions)
        for block, far in zip(self.blocks, ahead or self.offline, strict=True):
            x = block(x, far)
        x = self.norm(x)
        if self.prior is None:
            return self.scale.back(self.leave(x))
        latents = self.leave(stacked(x, self.prior.config.frames))
        return self.prior.decode(latents, features.shape[1])

    def enter(self, features: Tensor, conditions: Conditions) -> Tensor:
        if features.shape[-1] != self.config.features:
            raise ShapeError(f"features are {list(features.shape)}, this model hears [B, T, {self.config.features}]")
        told = [value.expand(*features.shape[:2], -1) for value in (conditions.emotion, conditions.style)]
        return self.join(torch.cat([self.hear(features), self.feel(torch.cat(told, -1))], -1))

    def ahead_frames(self, ahead: tuple[int, ...] | None = None) -> int:
        """How many frames later than its own a frame can be said."""
        own = sum(block.lookahead(far) for block, far in zip(self.blocks, ahead or self.offline, strict=True))
        return own if self.prior is None else own + self.prior.config.frames - 1 + self.prior.decoder.ahead_frames


class Stream:
    """A performance as its speech comes: push features, get the motion that is certain."""

    def __init__(self, model: SpeechToMotion, ahead: tuple[int, ...] | None = None):
        """`ahead` as in a forward pass: `model.offline` where None, `model.live` to answer soon."""
        self.model = model
        self.ahead = ahead or model.offline
        self._delays = [block.delays(far) for block, far in zip(model.blocks, self.ahead, strict=True)]
        self._waiting: Tensor | None = None  # [1, n, width] frames that do not fill a latent yet
        self._prior_delays = None if model.prior is None else model.prior.decoder.delays()
        self._heard = self._said = 0

    @torch.inference_mode()
    def push(self, features: Tensor, conditions: Conditions, *, last: bool = False) -> Tensor:
        """Features [n, C] and their conditions [1, n or 1, ...] -> motion [m, D]; `last` gives all that is left."""
        self._heard += len(features)
        x = self.model.enter(features[None], conditions)
        for block, far, delays in zip(self.model.blocks, self.ahead, self._delays, strict=True):
            x = block(x, far, delays, last)
        x = self.model.norm(x)
        if self.model.prior is None:
            motion = self.model.scale.back(self.model.leave(x))[0]
        else:
            motion = self._through_prior(x, last)
        motion = motion[: self._heard - self._said]  # what the held last frame gave beyond the end
        self._said += len(motion)
        return motion

    def _through_prior(self, x: Tensor, last: bool) -> Tensor:
        prior = self.model.prior
        x = x if self._waiting is None else torch.cat([self._waiting, x], 1)
        full = x.shape[1] if last else x.shape[1] - x.shape[1] % prior.config.frames
        self._waiting = x[:, full:]
        latents = (
            self.model.leave(stacked(x[:, :full], prior.config.frames))
            if full
            else x.new_zeros(1, 0, prior.config.latent)
        )
        return prior.scale.back(prior.decoder(latents, self._prior_delays, last))[0]
