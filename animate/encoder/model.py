"""`emberface-speech`: sound to phones, voicing, loudness and pitch, 50 frames a second, frame i centred at i * 20 ms.

Log-mel, two convolutions that each halve the rate, blocks at 25 frames a second that look a bounded way back and ahead,
and a layer that says two frames for each. (Blocks at 50 frames a second cost twice the time.) `listen` hears a
whole recording; `Listener` hears it as it comes and says the same. The same weights serve two bounds: `offline` looks
as far ahead as the network can, `live_ahead` keeps the delay short enough to talk with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from animate.encoder.blocks import Block
from animate.encoder.corpus import PHONES
from animate.encoder.features import FFT, MELS, log_mel, log_mel_inside
from animate.encoder.windowed import Delay, Window, whole
from animate.speech import HOP, RATE
from flame_tools.errors import InputError

STRIDE = 2  # of each of the two convolutions
SAID = 2  # frames that a block's frame says
FRAME_S = STRIDE * STRIDE * HOP / SAID / RATE


@dataclass(frozen=True)
class EncoderConfig:
    """The network's size and how far it looks."""

    width: int = 208
    """Channels of the blocks."""
    features: int = 128
    """Channels of what is handed on, `Heard.hidden`."""
    blocks: int = 6
    """Blocks after the convolutions."""
    heads: int = 4
    """Attention heads."""
    back: int = 20
    """Frames of 40 ms that attention looks back, a block."""
    ahead: int = 8
    """Frames of 40 ms that it looks ahead at most, a block."""
    reach: int = 3
    """Frames that the depthwise convolution reaches to either side."""
    live_ahead: tuple[int, ...] = (1, 0, 0, 0, 0, 0)
    """Frames that each block looks ahead when the delay must be short."""

    def __post_init__(self):
        if len(self.live_ahead) != self.blocks or self.width % self.heads:
            raise InputError(
                f"live_ahead has {len(self.live_ahead)} entries for {self.blocks} blocks and width {self.width} is for "
                f"{self.heads} heads; wanted one entry a block and a width that the heads divide"
            )


@dataclass(frozen=True)
class Heard:
    """What the network says of each frame."""

    phones: Tensor  # [..., T, 41] log-probability of each of corpus.PHONES
    voicing: Tensor  # [..., T] logit of being voiced
    loudness: Tensor  # [..., T] loudness of the voice, dB / 20, 0 at the loud parts of the speech
    pitch: Tensor  # [..., T] octaves above 100 Hz, where voiced
    hidden: Tensor  # [..., T, features] features for the networks that animate


class SpeechEncoder(nn.Module):
    def __init__(self, config: EncoderConfig):
        super().__init__()
        width = config.width
        self.config = config
        self.register_buffer("mean", torch.zeros(MELS))
        self.register_buffer("sd", torch.ones(MELS))
        # Log-probability that a frame of one phone (row) is followed by one of another: what decoding goes by.
        self.register_buffer("changes", torch.zeros(len(PHONES), len(PHONES)))
        self.front = nn.Conv1d(MELS, width, 3, stride=STRIDE)
        self.halve = nn.Conv1d(width, width, 3, stride=STRIDE)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.back, config.ahead, config.reach) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.unfold = nn.Linear(width, SAID * config.features)
        self.heads = nn.Linear(config.features, len(PHONES) + 3)

    @property
    def offline(self) -> tuple[int, ...]:
        return (self.config.ahead,) * self.config.blocks

    def forward(self, mel: Tensor, ahead: tuple[int, ...] | None = None) -> Heard:
        """Log-mel [B, F, MELS] -> 2 * ceil(F / 4) frames: the last one may lie past the end."""
        x = (mel - self.mean) / self.sd
        # They pad with zeros after normalising: the mean of speech, not silence, lies beyond the ends.
        x = convolved(self.front, *whole(x))
        x = convolved(self.halve, *whole(x))
        for block, far in zip(self.blocks, ahead or self.offline, strict=True):
            x = block(x, far)
        return self.say(x)

    def say(self, x: Tensor) -> Heard:
        x = functional.silu(self.unfold(self.norm(x))).unflatten(-1, (SAID, -1)).flatten(-3, -2)
        y = self.heads(x).float()
        return Heard(functional.log_softmax(y[..., :-3], -1), y[..., -3], y[..., -2], y[..., -1], x)

    def latency_s(self, ahead: tuple[int, ...]) -> float:
        """How much later than its own time a frame can be said (every other one; those between are said with it)."""
        frames = sum(block.lookahead(far) for block, far in zip(self.blocks, ahead, strict=True))
        return frames * SAID * FRAME_S + ((1 + STRIDE) * HOP + FFT / 2) / RATE


def convolved(convolution: nn.Conv1d, held: Tensor, first: int, stop: int) -> Tensor:
    """SiLU of outputs first, first + stride, ... before stop; zeros lie beyond the ends of `held` [B, n, C]."""
    if stop <= first:
        return held.new_zeros(held.shape[0], 0, convolution.out_channels)
    inside = held[:, max(first - 1, 0) : stop + 1].mT
    padded = functional.pad(inside, (max(1 - first, 0), max(stop + 1 - held.shape[1], 0)))
    return functional.silu(convolution(padded)).mT


@torch.inference_mode()
def listen(encoder: SpeechEncoder, samples: Tensor, ahead: tuple[int, ...] | None = None) -> Heard:
    """A whole recording [N] at 16 kHz; frame i is centred at i * FRAME_S."""
    heard = encoder(log_mel(samples)[None], ahead)
    return Heard(*(value[0] for value in vars(heard).values()))


class _Strided:
    """One of the two convolutions over rows that come in pieces."""

    def __init__(self, convolution: nn.Conv1d):
        self.convolution = convolution
        self._delay = Delay(Window(1, 1))
        self._skip = 0  # 1 where the next row lies between two frames

    def push(self, rows: Tensor, last: bool) -> Tensor:
        held, first, stop = self._delay.push(rows, last=last)
        out = convolved(self.convolution, held, first + self._skip, stop)
        self._skip = (self._skip + stop - first) % STRIDE
        return out


class Listener:
    """A recording as it comes: push samples, get the frames that are certain. The same as `listen`, with a delay."""

    def __init__(self, encoder: SpeechEncoder, ahead: tuple[int, ...] | None = None):
        self.encoder = encoder
        self.ahead = ahead or encoder.config.live_ahead
        self._samples = torch.zeros(FFT // 2)
        self._front, self._halve = _Strided(encoder.front), _Strided(encoder.halve)
        self._delays = [block.delays(far) for block, far in zip(encoder.blocks, self.ahead, strict=True)]

    @torch.inference_mode()
    def push(self, samples: Tensor, *, last: bool = False) -> Heard:
        """Samples [n] at 16 kHz, in [-1, 1]; `last` ends the recording and gives everything that is left."""
        x = (self._mel(samples, last) - self.encoder.mean) / self.encoder.sd
        x = self._halve.push(self._front.push(x[None], last), last)
        for block, far, delays in zip(self.encoder.blocks, self.ahead, self._delays, strict=True):
            x = block(x, far, delays, last)
        heard = self.encoder.say(x)
        return Heard(*(value[0] for value in vars(heard).values()))

    def _mel(self, samples: Tensor, last: bool) -> Tensor:
        held = torch.cat([self._samples, samples, samples.new_zeros(FFT // 2 if last else 0)])
        count = max((len(held) - FFT) // HOP + 1, 0)
        self._samples = held[count * HOP :]
        return log_mel_inside(held[: FFT + (count - 1) * HOP]) if count else samples.new_zeros(0, MELS)
