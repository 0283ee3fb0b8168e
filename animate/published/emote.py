"""EMOTE: speech and an emotion to FLAME motion through the FLINT prior (Danecek et al. 2023).

wav2vec 2.0 at 25 frames a second, one linear layer, the condition beside every frame, one transformer layer, and eight
frames squashed into each latent of the prior. Modules carry the published checkpoints' names; EMOTE v1 and v2 differ in
what they were trained on, not in their layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from animate.emotion import EMOTIONS
from animate.published.biases import symmetric
from animate.published.flint import FRAMES, MOST_FRAMES, FlintConfig, FlintDecoder
from animate.published.hearing import attended, convolved, resampled, wav2vec2
from animate.speech import RATE
from flame_tools.errors import InputError, ShapeError

FPS = 25
SAMPLES = RATE // FPS  # a frame
INTENSITIES = 3
# MEAD's training actors, in the order of the published identity inputs
IDENTITIES = (
    "M003", "M005", "M007", "M009", "M011", "M012", "M013", "M019", "M022", "M023", "M024", "M025", "M026", "M027",
    "M028", "M029", "M030", "M031", "W009", "W011", "W014", "W015", "W016", "W018", "W019", "W021", "W023", "W024",
    "W025", "W026", "W028", "W029",
)  # fmt: skip
_PERIOD = 30  # frames of one step of the attention's bias
_HEADS = 8


@dataclass(frozen=True)
class EmoteConfig:
    """Sizes; what a checkpoint does not show (heads, period) is as published."""

    width: int = 128
    """Channels of what is heard, and of the condition."""
    identities: int = 32
    """Actors that the model knows."""
    inner: int = 256
    """Width of the transformer's feed-forward part."""
    prior: FlintConfig = field(default_factory=FlintConfig)
    """The motion prior."""
    hearing: dict = field(default_factory=dict)
    """Entries of transformers' Wav2Vec2Config that differ from wav2vec2-base."""

    @property
    def condition(self) -> int:
        return len(EMOTIONS) + INTENSITIES + self.identities


class _Linear(nn.Module):
    def __init__(self, name: str, size: int, out: int):
        super().__init__()
        self.add_module(name, nn.Linear(size, out))


class _Audio(nn.Module):
    def __init__(self, hearing: dict):
        super().__init__()
        self.model = wav2vec2(**hearing)


class _Prior(nn.Module):
    def __init__(self, config: FlintConfig):
        super().__init__()
        self.motion_decoder = FlintDecoder(config)


class _Decoder(nn.Module):
    def __init__(self, config: EmoteConfig):
        super().__init__()
        double = 2 * config.width
        layer = nn.TransformerEncoderLayer(double, _HEADS, config.inner, activation="gelu", batch_first=True)
        self.obj_vector = _Linear("map", config.condition, config.width)
        self.bert_decoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.motion_prior = _Prior(config.prior)
        self.decoder = nn.Linear(double, config.prior.latent)
        self.squasher_2 = _Linear("linear", FRAMES * config.prior.latent, config.prior.latent)
        nn.init.zeros_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)


class Emote(nn.Module):
    def __init__(self, config: EmoteConfig = EmoteConfig()):
        super().__init__()
        self.config = config
        self.audio_model = _Audio(config.hearing)
        heard = self.audio_model.model.config.hidden_size
        self.sequence_encoder = _Linear("linear", heard, config.width)
        self.sequence_decoder = _Decoder(config)

    def forward(self, samples: Tensor, condition: Tensor) -> Tensor:
        """Samples [B, N] at 16 kHz, normalised (hearing.normalised), and condition [B, T or 1, condition].

        Gives motion [B, T, expressions + 3] at 25 frames a second, T = N // 640: expression, then jaw.
        """
        frames = samples.shape[-1] // SAMPLES
        if not 0 < frames <= MOST_FRAMES:
            raise InputError(
                f"{samples.shape[-1]} samples are {frames} frames at once; EMOTE takes 1 to {MOST_FRAMES} "
                f"({MOST_FRAMES / FPS:g} s): cut into windows, as animate_with does"
            )
        if condition.shape[-1] != self.config.condition or condition.shape[-2] not in (1, frames):
            raise ShapeError(
                f"condition is {list(condition.shape)}, wanted [B, 1 or {frames}, {self.config.condition}]: emotion 8, "
                f"intensity {INTENSITIES}, identity {self.config.identities}"
            )
        network = self.audio_model.model
        heard = attended(network, resampled(convolved(network, samples[:, : frames * SAMPLES]), frames))
        return self.moved(self.sequence_encoder.linear(heard), condition)

    def moved(self, heard: Tensor, condition: Tensor) -> Tensor:
        """What is heard [B, T, width] and condition -> motion [B, T, D]."""
        decoder, frames = self.sequence_decoder, heard.shape[1]
        told = decoder.obj_vector.map(condition).expand(*heard.shape[:2], -1)
        bias = symmetric(_HEADS, frames, period=_PERIOD).to(heard).repeat(heard.shape[0], 1, 1)
        x = decoder.decoder(decoder.bert_decoder(torch.cat([heard, told], -1), mask=bias))
        x = functional.pad(x, (0, 0, 0, -frames % FRAMES))
        latents = decoder.squasher_2.linear(x.unflatten(1, (-1, FRAMES)).flatten(-2))
        return decoder.motion_prior.motion_decoder(latents)[:, :frames]
