"""TEASER's generator: SMIRK's U-Net whose every convolution is styled by a token, and a painter of tokens beside it.

Styling is adaptive instance normalisation (Huang and Belongie 2017) after the batch's own. What the painter makes is
added behind each decoder level through 1 x 1 convolutions that begin at zero. Modules carry the published names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flame_tools.errors import ShapeError
from recon.networks.codes import FlameCodes
from recon.networks.smirk_generator import CHANNELS, LEVELS, Residual, checked_pair
from recon.networks.teaser import TOKEN, TOKENS, TeaserEncoder

_WIDTH = 32
_RESIDUALS = 5
_STYLE = 128
START = 14  # pixels a side that the painter begins with: a sixteenth of the picture's


class _Style(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(TOKEN, _STYLE), nn.ReLU())
        self.mlp_gamma, self.mlp_beta = nn.Linear(_STYLE, width), nn.Linear(_STYLE, width)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        inner = self.mlp_shared(token)
        gamma, beta = (layer(inner)[..., None, None] for layer in (self.mlp_gamma, self.mlp_beta))
        return functional.instance_norm(x) * (1 + gamma) + beta


class _Styled(nn.Module):
    def __init__(self, before: int, after: int):
        super().__init__()
        for i, width in enumerate((before, after), 1):
            self.add_module(f"conv{i}", nn.Conv2d(width, after, 3, padding=1, bias=False))
            self.add_module(f"norm{i}", nn.BatchNorm2d(after))
            self.add_module(f"adain{i}", _Style(after))

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        x = functional.relu(self.adain1(self.norm1(self.conv1(x)), token))
        return functional.relu(self.adain2(self.norm2(self.conv2(x)), token))


def _doubled(before: int, after: int) -> list[nn.Module]:
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return [up, nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]


class _Painter(nn.Module):
    """All tokens, the finest first, to maps of 28, 56, 112 and 224 pixels a side."""

    def __init__(self, width: int, start: int):
        super().__init__()
        widths = [width << level for level in range(LEVELS - 1, -1, -1)]
        first = [nn.Linear(TOKENS * TOKEN, widths[0] * start**2), nn.Unflatten(1, (widths[0], start, start))]
        self.decoder_1 = nn.Sequential(*first, *_doubled(widths[0], widths[0]))
        self.decoder_2 = nn.Sequential(*_doubled(widths[0], widths[1]))
        self.decoder_3 = nn.Sequential(*_doubled(widths[1], widths[2]))
        last = [nn.Conv2d(widths[3], widths[3], 3, padding=1), nn.Tanh()]
        self.decoder_4 = nn.Sequential(*_doubled(widths[2], widths[3]), *last)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        maps, x = [], torch.cat(list(tokens.flip(0)), 1)
        for i in range(1, LEVELS + 1):
            x = getattr(self, f"decoder_{i}")(x)
            maps.append(x)
        return maps


class TeaserGenerator(nn.Module):
    def __init__(self, *, start: int = START):
        super().__init__()
        self.side = start << LEVELS  # pixels of the pictures it paints
        before = CHANNELS
        for level in range(1, LEVELS + 1):
            after = _WIDTH << level - 1
            self.add_module(f"encoder{level}", _Styled(before, after))
            before = after
        self.bottleneck = _Styled(before, 2 * before)
        self.resnet_blocks = nn.ModuleList(Residual(2 * before) for _ in range(_RESIDUALS))
        for level in range(LEVELS, 0, -1):
            after = _WIDTH << level - 1
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * after, after, 2, 2))
            self.add_module(f"decoder{level}", _Styled(2 * after, after))
        self.conv = nn.Conv2d(_WIDTH, 3, 1)
        self.token_decoder = _Painter(_WIDTH, start)
        for level in range(LEVELS, 0, -1):
            width = _WIDTH << level - 1
            added = nn.Conv2d(width, width, 1)
            nn.init.zeros_(added.weight)
            nn.init.zeros_(added.bias)
            self.add_module(f"token_zero_conv_{level}", added)

    def forward(self, render: Tensor, masked: Tensor, tokens: Tensor) -> Tensor:
        """A grey render, a photo without its face, [B, 3, 224, 224] in [0, 1] each, and tokens [4, B, 256]."""
        checked_pair(render, masked)
        side = self.side
        if tokens.shape != (TOKENS, len(render), TOKEN) or render.shape[-2:] != (side, side):
            raise ShapeError(
                f"tokens are {list(tokens.shape)} for pictures {list(render.shape)}; wanted [{TOKENS}, B, {TOKEN}] and "
                f"[B, 3, {side}, {side}]"
            )
        style = {level: tokens[LEVELS - level] for level in range(1, LEVELS + 1)}
        x, kept = torch.cat([render, masked], 1), []
        for level in range(1, LEVELS + 1):
            x = getattr(self, f"encoder{level}")(x, style[level])
            kept.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottleneck(x, tokens[0])
        for block in self.resnet_blocks:
            x = block(x)
        for level, painted in zip(range(LEVELS, 0, -1), self.token_decoder(tokens), strict=True):
            x = torch.cat([getattr(self, f"upconv{level}")(x), kept[level - 1]], 1)
            x = getattr(self, f"decoder{level}")(x, style[level])
            x = x + getattr(self, f"token_zero_conv_{level}")(painted)
        return self.conv(x).sigmoid()


class Teaser(nn.Module):
    """A TEASER file's networks: the encoder with its tokens, and the generator where the file has one."""

    def __init__(self, *, generator: bool = True):
        super().__init__()
        self.teaser_encoder = TeaserEncoder()
        self.teaser_generator = TeaserGenerator() if generator else None

    def forward(self, images: Tensor) -> FlameCodes:
        return self.teaser_encoder(images)
