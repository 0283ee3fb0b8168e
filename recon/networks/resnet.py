"""ResNet-50 (He et al. 2016, Table 1) under torchvision's names, with the stride in a block's 3 x 3 convolution.

DECA, EMOCA and SPECTRE carry it without its classifier. torchvision's own files load with `classes=1000`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from flame_tools.errors import ShapeError

FEATURES = 2048
_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # inner width, blocks
_WIDER = 4  # a block's output over its inner width


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1, and the way round them."""

    def __init__(self, before: int, inner: int, stride: int):
        super().__init__()
        after = _WIDER * inner
        self.conv1, self.bn1 = nn.Conv2d(before, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, after, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.relu(around + self.bn3(self.conv3(x)))


class ResNet50(nn.Module):
    """Images to features, or to logits where there is a classifier."""

    def __init__(self, *, classes: int = 0):  # 0: no classifier
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for stage, (inner, count) in enumerate(_STAGES, 1):
            blocks = []
            for i in range(count):
                blocks.append(Bottleneck(before, inner, 2 if stage > 1 and i == 0 else 1))
                before = _WIDER * inner
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        if classes:
            self.fc = nn.Linear(FEATURES, classes)
        draw_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> [B, 2048], or [B, classes]."""
        features = self.maps(images).mean((-2, -1))
        return self.fc(features) if hasattr(self, "fc") else features

    def maps(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> [B, 2048, H / 32, W / 32]."""
        checked_images(images)
        x = functional.relu(self.bn1(self.conv1(images)))
        x = functional.max_pool2d(x, 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def draw_convolutions(network: nn.Module) -> None:
    """Start every convolution as He et al. 2015 do, by what goes out of it; nothing where a file will bring weights."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def checked_images(images: Tensor, size: int | None = None) -> Tensor:
    """Raise ShapeError unless images are [B, 3, H, W] of numbers with a point, of `size` pixels where it is said."""
    wanted = images.ndim == 4 and images.shape[1] == 3 and images.is_floating_point()
    if not wanted or (size is not None and images.shape[2:] != (size, size)):
        sides = "H, W" if size is None else f"{size}, {size}"
        raise ShapeError(f"images are {list(images.shape)} of {images.dtype}, wanted [B, 3, {sides}] RGB in [0, 1]")
    return images
