"""FLINT, EMOTE's motion prior: a temporal VAE, eight frames a latent (Danecek et al. 2023, section 3.2).

Modules carry the published checkpoints' names. Motion rows are FLAME's expression, then the jaw as axis-angle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from animate.published.biases import symmetric
from flame_tools.errors import InputError, ShapeError

JAW = 3
MOST_FRAMES = 1200  # the published attention biases end here
_HALVINGS = 3  # of the frame rate
FRAMES = 2**_HALVINGS  # a latent


@dataclass(frozen=True)
class FlintConfig:
    """Sizes; all but `heads` can be read off a checkpoint."""

    expressions: int = 100
    """FLAME expression components, 50 or 100 in what was published."""
    latent: int = 128
    """Numbers a latent, and channels throughout."""
    inner: int = 384
    """Width of the transformers' feed-forward part."""
    heads: int = 8
    """Attention heads."""

    @property
    def motion(self) -> int:
        """Columns of a motion row."""
        return self.expressions + JAW


@dataclass(frozen=True)
class Latents:
    """What the encoder says of a motion."""

    mean: Tensor  # [B, T / 8, latent]
    logvar: Tensor  # [B, T / 8, latent]

    def drawn(self, generator: torch.Generator) -> Tensor:
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + (self.logvar / 2).exp() * noise.to(self.mean)

    def divergence(self) -> Tensor:
        """KL divergence from the unit Gaussian, summed over a latent's numbers, mean over latents."""
        return (-0.5 * (1 + self.logvar - self.mean.square() - self.logvar.exp()).sum(-1)).mean()


class FlintEncoder(nn.Module):
    def __init__(self, config: FlintConfig):
        super().__init__()
        size = config.latent
        first = nn.Conv1d(config.motion, size, 5, stride=2, padding=2, padding_mode="replicate")
        self.squasher = nn.Sequential(
            _filtered(first),
            *(_filtered(_same(size), nn.MaxPool1d(2)) for _ in range(1, _HALVINGS)),
        )
        self.encoder_transformer = _transformer(config)
        self.encoder_linear_embedding = nn.Linear(size, size)
        self.mean = nn.Linear(size, size)
        self.logvar = nn.Linear(size, size)
        self.heads = config.heads

    def forward(self, motion: Tensor) -> Latents:
        """Motion [B, T, D], T a multiple of 8."""
        if motion.shape[1] % FRAMES or not motion.shape[1]:
            raise ShapeError(f"motion has {motion.shape[1]} frames, wanted a multiple of {FRAMES}; hold the last frame")
        x = self.encoder_linear_embedding(self.squasher(motion.mT).mT)
        x = self.encoder_transformer(x, mask=_bias(self.heads, x))
        return Latents(self.mean(x), self.logvar(x))


class FlintDecoder(nn.Module):
    def __init__(self, config: FlintConfig):
        super().__init__()
        size = config.latent
        first = nn.ConvTranspose1d(size, size, 5, stride=2, padding=2, output_padding=1)
        self.expander = nn.ModuleList([_filtered(first), *(_filtered(_same(size)) for _ in range(1, _HALVINGS))])
        self.decoder_transformer = _transformer(config)
        self.decoder_linear_embedding = nn.Linear(size, size)
        self.post_transformer_linear = nn.Linear(size, size)
        self.cross_smooth_layer = nn.Conv1d(size, config.motion, 5, padding=2)
        self.heads = config.heads

    def forward(self, latents: Tensor) -> Tensor:
        """Latents [B, L, latent] -> motion [B, 8 L, D]."""
        x = latents.mT
        for i, block in enumerate(self.expander):
            x = block(x)
            if i:
                x = x.repeat_interleave(2, -1)
        x = self.decoder_linear_embedding(x.mT)
        x = self.post_transformer_linear(self.decoder_transformer(x, mask=_bias(self.heads, x)))
        return self.cross_smooth_layer(x.mT).mT


class Flint(nn.Module):
    def __init__(self, config: FlintConfig = FlintConfig()):
        super().__init__()
        self.config = config
        self.motion_encoder = FlintEncoder(config)
        self.motion_decoder = FlintDecoder(config)

    def forward(self, motion: Tensor) -> Tensor:
        """Motion [B, T, D] through the means of its latents and back."""
        if motion.shape[-1] != self.config.motion:
            raise ShapeError(f"motion is {list(motion.shape)}, this prior takes [B, T, {self.config.motion}]")
        return self.motion_decoder(self.motion_encoder(motion).mean)


def _same(size: int) -> nn.Conv1d:
    return nn.Conv1d(size, size, 5, padding=2, padding_mode="replicate")


def _filtered(convolution: nn.Module, *after: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution, nn.LeakyReLU(0.2), nn.BatchNorm1d(convolution.out_channels), *after)


def _transformer(config: FlintConfig) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        config.latent, config.heads, config.inner, dropout=0.0, activation="gelu", batch_first=True
    )
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


def _bias(heads: int, x: Tensor) -> Tensor:
    frames = x.shape[1]
    if frames > MOST_FRAMES:
        raise InputError(f"{frames} frames at once; the published attention ends at {MOST_FRAMES}: cut into windows")
    return symmetric(heads, frames).to(x).repeat(x.shape[0], 1, 1)
