"""How the published systems hear: wav2vec 2.0 whose convolutional features are brought to the motion's rate first.

Baevski et al. 2020. EMOTE and FaceFormer put a linear interpolation between the convolutions (50 frames a second) and
the transformer, so that it attends over motion frames. transformers builds the network (extra `speech`); without its
published weights it is random.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from animate.speech import RATE
from flame_tools.errors import AssetError, InputError, ShapeError

LEAST_SAMPLES = 400  # of one feature of the convolutions, 25 ms
_EPSILON = 1e-7  # of the published feature extractor


def wav2vec2(**sizes: int) -> nn.Module:
    """wav2vec2-base with random weights; `sizes` are entries of transformers' Wav2Vec2Config that differ."""
    try:
        from transformers import Wav2Vec2Config, Wav2Vec2Model
    except ImportError:
        raise AssetError("published speech encoders need transformers: pip install 'emberface[speech]'") from None
    return Wav2Vec2Model(Wav2Vec2Config(**sizes))


def normalised(samples: Tensor) -> Tensor:
    """Samples [..., N] at mean 0 and variance 1, as the networks were trained to hear them."""
    centred = samples - samples.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + _EPSILON).sqrt()


def convolved(network: nn.Module, samples: Tensor) -> Tensor:
    """Samples [B, N] at 16 kHz, normalised -> features [B, n, 512] at 50 a second."""
    if samples.ndim != 2:
        raise ShapeError(f"samples are {list(samples.shape)}, wanted [B, N] at {RATE} Hz")
    if samples.shape[1] < LEAST_SAMPLES:
        raise InputError(f"{samples.shape[1]} samples are too short to be heard; wanted at least {LEAST_SAMPLES}")
    return network.feature_extractor(samples).mT


def resampled(features: Tensor, frames: int) -> Tensor:
    """Features [B, n, C] -> [B, frames, C], linear between, first and last on the first and last."""
    return functional.interpolate(features.mT, size=frames, mode="linear", align_corners=True).mT


def attended(network: nn.Module, features: Tensor) -> Tensor:
    """Features [B, T, 512] through projection and transformer -> [B, T, 768]."""
    projected = network.feature_projection(features)
    return network.encoder(projected[0] if isinstance(projected, tuple) else projected)[0]
