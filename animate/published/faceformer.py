"""FaceFormer: speech to vertices, one frame after another (Fan et al. 2022).

A transformer decoder whose next input is the last frame it made. As published the whole prefix runs again for every
frame; since the past is never changed, its keys and values can be kept instead, with the same result (`cached`).
Modules carry the published checkpoints' names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from animate.published.biases import causal, slopes
from animate.published.hearing import attended, convolved, resampled, wav2vec2
from flame_tools.errors import InputError, ShapeError

MOST_FRAMES = 600  # of the published attention bias
_HEADS = 4


@dataclass(frozen=True)
class FaceFormerConfig:
    """Sizes. The defaults are VOCASET's; BIWI's are 23370 vertices, width 128, 6 subjects, 25 frames, 2 features."""

    vertices: int = 5023
    """Vertices of the mesh; VOCASET's is FLAME's."""
    width: int = 64
    """Channels."""
    subjects: int = 8
    """Speakers whose styles it knows."""
    fps: int = 30
    """Frames a second; also the period of positions and of the attention's bias."""
    features: int = 1
    """Features of the speech a frame: 1 (resampled to fps) or 2 (50 a second as they are)."""
    hearing: dict = field(default_factory=dict)
    """Entries of transformers' Wav2Vec2Config that differ from wav2vec2-base."""

    def __post_init__(self):
        if self.features not in (1, 2):
            raise InputError(f"features is {self.features}, wanted 1 (VOCASET) or 2 (BIWI)")


class _Positions(nn.Module):
    def __init__(self, config: FaceFormerConfig):
        super().__init__()
        self.register_buffer("pe", positions(config.fps, config.width))


class FaceFormer(nn.Module):
    def __init__(self, config: FaceFormerConfig = FaceFormerConfig()):
        super().__init__()
        width, numbers = config.width, 3 * config.vertices
        self.config = config
        self.audio_encoder = wav2vec2(**config.hearing)
        self.audio_feature_map = nn.Linear(self.audio_encoder.config.hidden_size, width)
        self.vertice_map = nn.Linear(numbers, width)
        self.PPE = _Positions(config)
        layer = nn.TransformerDecoderLayer(width, _HEADS, 2 * width, batch_first=True)
        self.transformer_decoder = nn.TransformerDecoder(layer, 1)
        self.vertice_map_r = nn.Linear(width, numbers)
        self.obj_vector = nn.Linear(config.subjects, width, bias=False)
        nn.init.zeros_(self.vertice_map_r.weight)
        nn.init.zeros_(self.vertice_map_r.bias)

    def forward(self, samples: Tensor, style: Tensor, *, cached: bool = True) -> Tensor:
        """Samples [1, N] at 16 kHz, normalised (hearing.normalised), and style [1, subjects], a one-hot or a mix.

        Gives offsets [T, V, 3] in metres from the speaker's neutral face, at `fps`.
        """
        if style.shape != (1, self.config.subjects) or samples.shape[0] != 1:
            raise ShapeError(
                f"samples are {list(samples.shape)} and style {list(style.shape)}, wanted [1, N] and "
                f"[1, {self.config.subjects}]"
            )
        features = convolved(self.audio_encoder, samples)
        frames = self.frames(features.shape[1])
        if not 0 < frames <= MOST_FRAMES:
            raise InputError(
                f"{samples.shape[1]} samples are {frames} frames at once; FaceFormer takes 1 to {MOST_FRAMES} "
                f"({MOST_FRAMES / self.config.fps:g} s): cut into windows, as animate_with does"
            )
        features = resampled(features, frames) if self.config.features == 1 else features[:, : 2 * frames]
        memory = self.audio_feature_map(attended(self.audio_encoder, features))
        return self.moved(memory, self.obj_vector(style), cached=cached)

    def frames(self, features: int) -> int:
        """Frames of a recording with so many features of the convolutions (50 a second)."""
        return int(features / 50 * self.config.fps) if self.config.features == 1 else features // 2

    def moved(self, memory: Tensor, style: Tensor, *, cached: bool = True) -> Tensor:
        """Memory [1, T * features, width] and style [1, width] -> offsets [T, V, 3]."""
        said = self._kept(memory, style) if cached else self._prefixes(memory, style)
        return said.unflatten(-1, (-1, 3))

    def _prefixes(self, memory: Tensor, style: Tensor) -> Tensor:
        """As published: everything so far again for each frame."""
        count = memory.shape[1] // self.config.features
        inputs, said = style[:, None], memory.new_zeros(1, 0, self.vertice_map_r.out_features)
        hidden = torch.arange(memory.shape[1]).to(memory.device) // self.config.features
        for i in range(1, count + 1):
            bias = causal(_HEADS, i, period=self.config.fps).to(memory)
            unseen = hidden != torch.arange(i).to(memory.device)[:, None]
            x = inputs + self.PPE.pe[:, :i]
            x = self.transformer_decoder(x, memory, tgt_mask=bias, memory_mask=unseen)
            said = self.vertice_map_r(x)
            inputs = torch.cat([inputs, (self.vertice_map(said[:, -1]) + style)[:, None]], 1)
        return said[0]

    def _kept(self, memory: Tensor, style: Tensor) -> Tensor:
        """The same with the past's keys and values kept; a frame sees no memory but its own."""
        layer = self.transformer_decoder.layers[0]
        own, cross = layer.self_attn, layer.multihead_attn
        width, each, count = self.config.width, self.config.features, memory.shape[1] // self.config.features
        size = (_HEADS, width // _HEADS)
        memory = memory[0, : count * each]
        w, b = cross.in_proj_weight, cross.in_proj_bias
        far_keys, far_values = functional.linear(memory, w[width:], b[width:]).chunk(2, -1)
        far_keys = far_keys.reshape(count, each, *size)
        far_values = far_values.reshape(count, each, *size)
        keys, values = (memory.new_empty(count, *size) for _ in range(2))
        steps = slopes(_HEADS).to(memory)
        scale = 1 / math.sqrt(size[1])
        said, x = memory.new_empty(count, self.vertice_map_r.out_features), style[0]
        for i in range(count):
            x = x + self.PPE.pe[0, i]
            query, key, value = functional.linear(x, own.in_proj_weight, own.in_proj_bias).view(3, *size)
            keys[i], values[i] = key, value
            ago = (i - torch.arange(i + 1)).to(memory.device) // self.config.fps
            scores = torch.einsum("hd,ihd->hi", query, keys[: i + 1]) * scale - steps[:, None] * ago
            seen = torch.einsum("hi,ihd->hd", scores.softmax(-1), values[: i + 1]).flatten()
            x = layer.norm1(x + own.out_proj(seen))
            query = functional.linear(x, w[:width], b[:width]).view(size)
            scores = torch.einsum("hd,ihd->hi", query, far_keys[i]) * scale
            seen = torch.einsum("hi,ihd->hd", scores.softmax(-1), far_values[i]).flatten()
            x = layer.norm2(x + cross.out_proj(seen))
            x = layer.norm3(x + layer.linear2(functional.relu(layer.linear1(x))))
            said[i] = self.vertice_map_r(x)
            x = self.vertice_map(said[i]) + style[0]
        return said


def positions(period: int, width: int) -> Tensor:
    """[1, n, width] sines and cosines that repeat every `period` frames (Eq. 6), over 600 frames and a period more."""
    at = torch.arange(period, dtype=torch.float32)[:, None]
    turn = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    once = torch.stack([(at * turn).sin(), (at * turn).cos()], -1).flatten(1)
    return once.repeat(MOST_FRAMES // period + 1, 1)[None]
