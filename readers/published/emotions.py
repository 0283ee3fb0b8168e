"""The emotion network of EMOCA (Danecek, Black and Bolkart 2022): ResNet-50 on AffectNet.

A VGGFace2 ResNet-50 (Cao et al. 2018, the stride in a block's first convolution) and one linear layer: expression
classes, valence, arousal. EMOCA's emotion loss compares its 2048 features. Modules carry the published names.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from flame_tools.errors import ShapeError

SIZE = 224  # pixels a side
FEATURES = 2048
EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")  # AffectNet's order
_IDENTITIES = 8631  # VGGFace2's people: its classifier stays in the file and is not asked


@dataclass(frozen=True)
class Emotions:
    """What it says of faces [B]."""

    features: Tensor  # [B, 2048], which the emotion loss compares
    log_probabilities: Tensor  # [B, classes] in the order of EXPRESSIONS, others behind them
    valence: Tensor  # [B]
    arousal: Tensor  # [B]


class _Bottleneck(nn.Module):
    def __init__(self, before: int, inner: int, stride: int):
        super().__init__()
        after = 4 * inner
        self.conv1, self.bn1 = nn.Conv2d(before, inner, 1, stride, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, 1, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, after, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        own = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.relu(own + self.bn3(self.conv3(x)))


class _Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for i, (inner, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            steps = []
            for step in range(count):
                steps.append(_Bottleneck(before, inner, 2 if i > 1 and step == 0 else 1))
                before = 4 * inner
            self.add_module(f"layer{i}", nn.Sequential(*steps))
        self.fc = nn.Linear(FEATURES, _IDENTITIES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((-2, -1))


class EmotionNet(nn.Module):
    def __init__(self, classes: int = len(EXPRESSIONS)):
        super().__init__()
        self.classes = classes
        self.backbone = _Backbone()
        self.linear = nn.Linear(FEATURES, classes + 2)

    def forward(self, faces: Tensor) -> Emotions:
        """Faces [B, 3, 224, 224], RGB in [0, 1], cropped as AffectNet (1.25 times the landmarks' box)."""
        if faces.ndim != 4 or faces.shape[1:] != (3, SIZE, SIZE):
            raise ShapeError(f"faces are {list(faces.shape)}, wanted [B, 3, {SIZE}, {SIZE}] RGB in [0, 1]")
        features = self.backbone(faces)
        said = self.linear(features)
        return Emotions(features, said[:, : self.classes].log_softmax(-1), said[:, -2], said[:, -1])
