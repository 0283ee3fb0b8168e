"""Conformer-like blocks with windows: attention, depthwise convolution and feed-forward (Gulati et al. 2020).

One number a block, `ahead`, bounds how far its attention and its convolution look into the future. The same weights
serve any bound: the convolution's taps beyond it are left out, attention is masked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from animate.encoder.windowed import Delay, Window, whole
from flame_tools.errors import InputError

_TILE = 64  # queries handled together


def check_heads(width: int, heads: int) -> None:
    """Raises InputError where features of `width` cannot be shared among attention heads."""
    if width % heads:
        raise InputError(f"width {width} is for {heads} heads; wanted a width that the heads divide")


class WindowedAttention(nn.Module):
    """Self-attention within [-back, +ahead] frames, with a learned bias for each head and distance."""

    def __init__(self, width: int, heads: int, back: int, ahead: int):
        super().__init__()
        self.heads, self.back, self.ahead = heads, back, ahead
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, back + ahead + 1))

    def window(self, ahead: int) -> Window:
        return Window(self.back, min(ahead, self.ahead))

    def forward(self, x: Tensor, ahead: int, delay: Delay | None = None, last: bool = True) -> Tensor:
        """x [B, n, width] -> x plus what attention adds, for the frames that can be made."""
        rows = torch.cat([x, self.qkv(self.norm(x))], -1)
        held, first, stop = whole(rows) if delay is None else delay.push(rows, last=last)
        x, qkv = held[..., first:stop, : x.shape[-1]], held[..., x.shape[-1] :]
        return x + self.out(self._attend(qkv, first, stop, self.window(ahead)))

    def _attend(self, qkv: Tensor, first: int, stop: int, window: Window) -> Tensor:
        """Tile by tile: memory and time grow with the length, not with its square."""
        batch, count, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        heads = qkv.reshape(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = heads.unbind(0)  # [B, H, n, d]
        parts = []
        for at in range(first, stop, _TILE):
            end = min(at + _TILE, stop)
            low, high = max(at - window.back, 0), min(end + window.ahead, count)
            distance = torch.arange(low, high, device=q.device)[None] - torch.arange(at, end, device=q.device)[:, None]
            seen = (distance >= -window.back) & (distance <= window.ahead)
            bias = self.bias[:, (distance + self.back).clamp(0, self.bias.shape[1] - 1)]
            bias = bias.masked_fill(~seen, float("-inf")).to(q.dtype)
            parts.append(
                functional.scaled_dot_product_attention(q[:, :, at:end], k[:, :, low:high], v[:, :, low:high], bias)
            )
        out = torch.cat(parts, 2) if parts else q[:, :, :0]
        return out.transpose(1, 2).reshape(batch, stop - first, width)


class Convolution(nn.Module):
    """Gated pointwise, depthwise over time, pointwise."""

    def __init__(self, width: int, reach: int):
        super().__init__()
        self.reach = reach
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.taps = nn.Parameter(torch.randn(width, 2 * reach + 1) * 0.2)
        self.middle = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)

    def window(self, ahead: int) -> Window:
        return Window(self.reach, min(ahead, self.reach))

    def forward(self, x: Tensor, ahead: int, delay: Delay | None = None, last: bool = True) -> Tensor:
        rows = torch.cat([x, functional.glu(self.gate(self.norm(x)), -1)], -1)
        held, first, stop = whole(rows) if delay is None else delay.push(rows, last=last)
        window = self.window(ahead)
        low, high = first - window.back, stop + window.ahead
        inside = held[..., max(low, 0) : high, x.shape[-1] :].mT
        inside = functional.pad(inside, (max(-low, 0), max(high - held.shape[-2], 0)))
        taps = self.taps[:, None, : window.back + window.ahead + 1]
        y = functional.conv1d(inside, taps, groups=taps.shape[0]).mT if stop > first else inside.mT[:, :0]
        return held[..., first:stop, : x.shape[-1]] + self.out(functional.silu(self.middle(y)))


class FeedForward(nn.Module):
    def __init__(self, width: int, factor: int = 3):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, factor * width)
        self.out = nn.Linear(factor * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(functional.silu(self.inner(self.norm(x))))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, back: int, ahead: int, reach: int):
        super().__init__()
        self.attention = WindowedAttention(width, heads, back, ahead)
        self.convolution = Convolution(width, reach)
        self.feed = FeedForward(width)

    def forward(self, x: Tensor, ahead: int, delays: tuple[Delay, Delay] | None = None, last: bool = True) -> Tensor:
        first, second = delays or (None, None)
        x = self.attention(x, ahead, first, last)
        x = self.convolution(x, ahead, second, last)
        return self.feed(x)

    def delays(self, ahead: int) -> tuple[Delay, Delay]:
        return Delay(self.attention.window(ahead)), Delay(self.convolution.window(ahead))

    def lookahead(self, ahead: int) -> int:
        """Frames of the future that an output of this block stands on."""
        return self.attention.window(ahead).ahead + self.convolution.window(ahead).ahead
