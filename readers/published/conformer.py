"""Conformer blocks (Gulati et al. 2020) with relative positions (Dai et al. 2019), under ESPnet's module names.

Two ways of counting positions exist in published files: `latest` knows each key's true distance, `legacy` shifts a
table of T rows, in which keys after the query read their neighbours' rows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

POSITIONS = ("latest", "legacy")
_EPSILON = 1e-12  # of the published layer norms
_LEGACY_LENGTH = 5000  # frames of the published legacy table, which counts down from its end


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, positions: str):
        super().__init__()
        self.heads, self.positions = heads, positions
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(width, width) for _ in range(4))
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u, self.pos_bias_v = (nn.Parameter(torch.zeros(heads, width // heads)) for _ in range(2))

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """x [B, T, width] and the table of `position_table`."""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)) for layer in (self.linear_q, self.linear_k, self.linear_v)
        )
        place = self.linear_pos(table).unflatten(-1, (self.heads, -1))
        content = torch.einsum("bihd,bjhd->bhij", query + self.pos_bias_u, key)
        position = torch.einsum("bihd,phd->bhip", query + self.pos_bias_v, place)
        shift = _distances if self.positions == "latest" else _shifted
        scores = (content + shift(position)) / math.sqrt(query.shape[-1])
        return self.linear_out(torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), value).flatten(-2))


def position_table(frames: int, width: int, positions: str) -> Tensor:
    """Sines and cosines [P, width] of the distances that attention over `frames` reads.

    latest: P = 2 T - 1, distances T - 1 down to -(T - 1); legacy: P = T, counting down from the end of 5000.
    """
    if positions == "latest":
        at = torch.arange(frames - 1, -frames, -1.0)
    else:
        last = max(_LEGACY_LENGTH, frames) - 1
        at = last - torch.arange(float(frames))
    turn = torch.exp(torch.arange(0, width, 2.0) * (-math.log(10000.0) / width))
    return torch.stack([(at[:, None] * turn).sin(), (at[:, None] * turn).cos()], -1).flatten(1)


def _distances(scores: Tensor) -> Tensor:
    """[..., T, 2 T - 1] over distances -> [..., T, T] over keys: entry i, j of distance i - j."""
    frames = scores.shape[-2]
    at = torch.arange(frames, device=scores.device)
    return scores.gather(-1, (frames - 1 - at[:, None] + at).expand(*scores.shape[:-1], frames))


def _shifted(scores: Tensor) -> Tensor:
    """[..., T, T]: row i moved left by T - 1 - i; what is drawn in behind it is a zero and the next row's beginning."""
    frames = scores.shape[-1]
    padded = functional.pad(scores, (1, 0)).flatten(-2)
    return padded[..., frames:].unflatten(-1, (frames, frames))


class FeedForward(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(functional.relu(self.w_1(x)))


class Convolution(nn.Module):
    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.pointwise_cov1 = nn.Conv1d(width, 2 * width, 1)
        self.depthwise_conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.BatchNorm1d(width)
        self.pointwise_cov2 = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise_conv(functional.glu(self.pointwise_cov1(x.mT), 1))
        return self.pointwise_cov2(functional.silu(self.norm(x))).mT


class Block(nn.Module):
    """Half a feed-forward step, attention, convolution, the other half, each on what is normalised before it."""

    def __init__(self, width: int, heads: int, inner: int, kernel: int, positions: str):
        super().__init__()
        self.self_attn = Attention(width, heads, positions)
        self.feed_forward, self.feed_forward_macaron = FeedForward(width, inner), FeedForward(width, inner)
        self.conv_module = Convolution(width, kernel)
        for name in ("norm_ff", "norm_mha", "norm_ff_macaron", "norm_conv", "norm_final"):
            self.add_module(name, nn.LayerNorm(width, _EPSILON))

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        x = x + 0.5 * self.feed_forward_macaron(self.norm_ff_macaron(x))
        x = x + self.self_attn(self.norm_mha(x), table)
        x = x + self.conv_module(self.norm_conv(x))
        return self.norm_final(x + 0.5 * self.feed_forward(self.norm_ff(x)))


class Conformer(nn.Module):
    """Features [B, T, given] -> [B, T, width]. `embed` and `encoders` carry the published names."""

    def __init__(self, given: int, width: int, heads: int, inner: int, blocks: int, kernel: int, positions: str):
        super().__init__()
        self.positions = positions
        self.embed = nn.Sequential(nn.Linear(given, width))
        self.encoders = nn.ModuleList(Block(width, heads, inner, kernel, positions) for _ in range(blocks))
        self.after_norm = nn.LayerNorm(width, _EPSILON)

    def encoded(self, features: Tensor) -> Tensor:
        x = self.embed(features)
        width = x.shape[-1]
        table = position_table(x.shape[1], width, self.positions).to(x)
        x = x * math.sqrt(width)
        for block in self.encoders:
            x = block(x, table)
        return self.after_norm(x)
