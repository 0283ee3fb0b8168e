"""MobileNetV3 (Howard et al. 2019, Tables 1 and 2) without its head, under timm's names (`features_only=True`).

`minimal` is the variant without 5 x 5 kernels, squeeze-and-excitation and hard-swish, which SMIRK and TEASER see with.
timm's `tf_` models pad as TensorFlow does (`padding="same"`: the odd pixel goes to the right and below) and normalise
with an epsilon of 1e-3; its others pad on both sides with 1e-5; torchvision's pad on both sides with 1e-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from flame_tools.errors import FormatError, InputError
from recon.networks.resnet import checked_images, draw_convolutions

STEM = 16
PADDINGS = ("same", "symmetric")


@dataclass(frozen=True)
class BlockSize:
    kernel: int
    inner: int
    """Channels between widening and narrowing."""
    after: int
    squeeze: bool
    hard: bool
    """hard-swish instead of ReLU"""
    stride: int = 1


_LARGE = (
    (BlockSize(3, 16, 16, False, False),),
    (BlockSize(3, 64, 24, False, False, 2), BlockSize(3, 72, 24, False, False)),
    (BlockSize(5, 72, 40, True, False, 2), *[BlockSize(5, 120, 40, True, False)] * 2),
    (BlockSize(3, 240, 80, False, True, 2), BlockSize(3, 200, 80, False, True),
     *[BlockSize(3, 184, 80, False, True)] * 2),
    (BlockSize(3, 480, 112, True, True), BlockSize(3, 672, 112, True, True)),
    (BlockSize(5, 672, 160, True, True, 2), *[BlockSize(5, 960, 160, True, True)] * 2),
)  # fmt: skip
_SMALL = (
    (BlockSize(3, 16, 16, True, False, 2),),
    (BlockSize(3, 72, 24, False, False, 2), BlockSize(3, 88, 24, False, False)),
    (BlockSize(5, 96, 40, True, True, 2), *[BlockSize(5, 240, 40, True, True)] * 2),
    (BlockSize(5, 120, 48, True, True), BlockSize(5, 144, 48, True, True)),
    (BlockSize(5, 288, 96, True, True, 2), *[BlockSize(5, 576, 96, True, True)] * 2),
)
_STAGES = {"large": (_LARGE, 960), "small": (_SMALL, 576)}


class SameConv2d(nn.Conv2d):
    """A convolution whose output has ceil(size / stride) pixels, the odd one of its padding behind."""

    def forward(self, x: Tensor) -> Tensor:
        sides = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            more = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides += [more // 2, more - more // 2]
        return super().forward(functional.pad(x, sides) if any(sides) else x)


class _Squeeze(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        inner = max(8, (width // 4 + 4) // 8 * 8)  # multiples of 8, and never below 0.9 of a quarter
        inner += 8 * (inner < 0.9 * width / 4)
        self.conv_reduce, self.conv_expand = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.conv_reduce(x.mean((-2, -1), keepdim=True)))
        return x * functional.hardsigmoid(self.conv_expand(inner))


@dataclass(frozen=True)
class _Maker:
    """What all convolutions and normalisations of a network share."""

    padding: str
    epsilon: float

    def conv(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
        if self.padding == "same" and stride > 1:
            return SameConv2d(before, after, kernel, stride, groups=groups, bias=False)
        return nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)

    def norm(self, width: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(width, self.epsilon)


class _Separable(nn.Module):
    """The first block: filter each channel, then mix them."""

    def __init__(self, before: int, size: BlockSize, make: _Maker):
        super().__init__()
        self.conv_dw, self.bn1 = make.conv(before, before, size.kernel, size.stride, before), make.norm(before)
        self.se = _Squeeze(before) if size.squeeze else nn.Identity()
        self.conv_pw, self.bn2 = make.conv(before, size.after, 1), make.norm(size.after)
        self.act, self.around = _activation(size.hard), size.stride == 1 and before == size.after

    def forward(self, x: Tensor) -> Tensor:
        y = self.se(self.act(self.bn1(self.conv_dw(x))))
        y = self.bn2(self.conv_pw(y))
        return x + y if self.around else y


class _Inverted(nn.Module):
    """Widen, filter each channel, narrow without an activation."""

    def __init__(self, before: int, size: BlockSize, make: _Maker):
        super().__init__()
        inner = size.inner
        self.conv_pw, self.bn1 = make.conv(before, inner, 1), make.norm(inner)
        self.conv_dw, self.bn2 = make.conv(inner, inner, size.kernel, size.stride, inner), make.norm(inner)
        self.se = _Squeeze(inner) if size.squeeze else nn.Identity()
        self.conv_pwl, self.bn3 = make.conv(inner, size.after, 1), make.norm(size.after)
        self.act, self.around = _activation(size.hard), size.stride == 1 and before == size.after

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv_pw(x)))
        y = self.se(self.act(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.around else y


class _Last(nn.Module):
    def __init__(self, before: int, after: int, hard: bool, make: _Maker):
        super().__init__()
        self.conv, self.bn1 = make.conv(before, after, 1), make.norm(after)
        self.act = _activation(hard)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn1(self.conv(x)))


class MobileNetV3(nn.Module):
    def __init__(
        self,
        size: str = "large",  # or "small"
        *,
        minimal: bool = True,
        padding: str = "same",  # or "symmetric"
        epsilon: float = 1e-3,  # of the normalisations
    ):
        super().__init__()
        if size not in _STAGES or padding not in PADDINGS:
            raise InputError(f"size {size!r}, padding {padding!r}; wanted {list(_STAGES)} and {list(PADDINGS)}")
        stages, last = _STAGES[size]
        make = _Maker(padding, epsilon)
        self.conv_stem, self.bn1 = make.conv(3, STEM, 3, 2), make.norm(STEM)
        self.act1 = _activation(not minimal)
        blocks, before, self.strides = [], STEM, tuple(stage[0].stride for stage in stages)
        for i, stage in enumerate(stages):
            steps = []
            for given in stage:
                block = BlockSize(3, given.inner, given.after, False, False, given.stride) if minimal else given
                steps.append((_Inverted if i else _Separable)(before, block, make))
                before = block.after
            blocks.append(nn.Sequential(*steps))
        blocks.append(nn.Sequential(_Last(before, last, not minimal, make)))
        self.blocks = nn.Sequential(*blocks)
        self.features = last  # channels of the last map
        draw_convolutions(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images [B, 3, H, W] -> the last map of each resolution, H / 2, H / 4, ... H / 32."""
        x = self.act1(self.bn1(self.conv_stem(checked_images(images))))
        maps = []
        for block, stride in zip(self.blocks, (*self.strides, 1), strict=True):
            if stride > 1:
                maps.append(x)
            x = block(x)
        return [*maps, x]

    def pooled(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> [B, features]."""
        return self(images)[-1].mean((-2, -1))


def _activation(hard: bool) -> nn.Module:
    return nn.Hardswish() if hard else nn.ReLU()


def from_torchvision(weights: Mapping[str, Tensor], size: str) -> dict[str, Tensor]:
    """Weights of torchvision's mobilenet_v3_large or _small under the names here; its classifier is left out.

    They are for MobileNetV3(size, minimal=False, padding="symmetric", epsilon=1e-3). Raises FormatError for a name that
    torchvision's network does not have.
    """
    names, out = torchvision_names(size), {}
    for name, value in weights.items():
        module, _, field = name.rpartition(".")
        if module.startswith("classifier."):
            continue
        if module not in names:
            raise FormatError(f"torchvision's mobilenet_v3_{size} has no {name}; give its own file")
        out[f"{names[module]}.{field}"] = torch.as_tensor(value)
    return out


def torchvision_names(size: str) -> dict[str, str]:
    """torchvision's names of the layers of MobileNetV3(size, minimal=False), and the names here."""
    stages, _ = _STAGES[size]
    names = {"features.0.0": "conv_stem", "features.0.1": "bn1"}
    blocks = [(f"blocks.{i}.{j}.", i, block) for i, stage in enumerate(stages) for j, block in enumerate(stage)]
    for number, (ours, stage, block) in enumerate(blocks, 1):
        pairs = [("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")]
        if stage == 0:
            pairs = [("conv_dw", "bn1"), ("conv_pw", "bn2")]
        if block.squeeze:
            pairs.insert(-1, ("se.conv_reduce", "se.conv_expand"))
        for step, pair in enumerate(pairs):
            fields = ("fc1", "fc2") if pair[0].startswith("se.") else ("0", "1")
            for field, layer in zip(fields, pair, strict=True):
                names[f"features.{number}.block.{step}.{field}"] = ours + layer
    last = f"blocks.{len(stages)}.0."
    return names | {f"features.{len(blocks) + 1}.0": f"{last}conv", f"features.{len(blocks) + 1}.1": f"{last}bn1"}
