"""MobileNetV2 (Sandler et al. 2018, Table 2) under torchvision's names, classifier and all: SPECTRE's file holds it."""

from __future__ import annotations

from torch import Tensor, nn

from recon.networks.resnet import checked_images, draw_convolutions

FEATURES = 1280
CLASSES = 1000  # ImageNet's: what a file of torchvision's, and SPECTRE's, brings along
_STAGES = (  # expansion, width, blocks, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _layer(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow without an activation."""

    def __init__(self, before: int, after: int, stride: int, expansion: int):
        super().__init__()
        inner = before * expansion
        widen = [] if expansion == 1 else [_layer(before, inner, 1)]
        narrow = nn.Conv2d(inner, after, 1, bias=False)
        self.conv = nn.Sequential(*widen, _layer(inner, inner, 3, stride, inner), narrow, nn.BatchNorm2d(after))
        self.around = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.around else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, *, classes: int = CLASSES):
        super().__init__()
        steps, before = [_layer(3, 32, 3, 2)], 32
        for expansion, after, count, stride in _STAGES:
            for i in range(count):
                steps.append(InvertedResidual(before, after, 1 if i else stride, expansion))
                before = after
        self.features = nn.Sequential(*steps, _layer(before, FEATURES, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(FEATURES, classes))
        draw_convolutions(self)

    def pooled(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> [B, 1280]."""
        return self.features(checked_images(images)).mean((-2, -1))

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> logits [B, classes]."""
        return self.classifier(self.pooled(images))
