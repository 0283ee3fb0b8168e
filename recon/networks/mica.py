"""MICA (Zielonka, Bolkart and Thies 2022): FLAME's identity from a face recogniser's embedding.

ArcFace's residual network of 100 layers (Deng et al. 2019; insightface's `iresnet100`), its embedding at length 1, and
a mapping of four hidden layers to 300 identity components. Modules carry the published names: `arcface`, `regressor`.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from recon.networks.resnet import checked_images

SIZE = 112  # pixels a side
EMBEDDING = 512
SHAPES = 300
_HIDDEN = 300
_STAGES = ((64, 3), (128, 13), (256, 30), (512, 3))  # width, blocks


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(before), nn.Conv2d(before, after, 3, 1, 1, bias=False)
        self.bn2, self.prelu = nn.BatchNorm2d(after), nn.PReLU(after)
        self.conv2, self.bn3 = nn.Conv2d(after, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        return around + self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))


class ArcFace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.prelu = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        before = 64
        for stage, (width, count) in enumerate(_STAGES, 1):
            blocks = []
            for i in range(count):
                blocks.append(_Block(before, width, 1 if i else 2))
                before = width
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.bn2 = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before * (SIZE // 16) ** 2, EMBEDDING)
        self.features = nn.BatchNorm1d(EMBEDDING)

    def forward(self, faces: Tensor) -> Tensor:
        """Faces [B, 3, 112, 112] RGB in [-1, 1], aligned by five points as ArcFace's -> [B, 512]."""
        x = self.prelu(self.bn1(self.conv1(checked_images(faces, SIZE))))
        x = self.bn2(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        return self.features(self.fc(x.flatten(1)))


class Mapping(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = (EMBEDDING, *[_HIDDEN] * 4)
        self.network = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.output = nn.Linear(_HIDDEN, SHAPES)

    def forward(self, embedding: Tensor) -> Tensor:
        for layer in self.network:
            embedding = functional.leaky_relu(layer(embedding), 0.2)
        return self.output(embedding)


class _Identity(nn.Module):
    def __init__(self):
        super().__init__()
        self.regressor = Mapping()


class Mica(nn.Module):
    def __init__(self):
        super().__init__()
        self.arcface, self.flameModel = ArcFace(), _Identity()

    def forward(self, faces: Tensor) -> Tensor:
        """Faces [B, 3, 112, 112] RGB in [-1, 1], aligned -> identity [B, 300], in SD."""
        return self.flameModel.regressor(functional.normalize(self.arcface(faces)))
