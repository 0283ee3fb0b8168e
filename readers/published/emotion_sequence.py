"""The emotion of a whole sequence, as EMOTE's video-emotion loss hears it (Danecek et al. 2023, section 3.4).

Features of `emotions.EmotionNet` a frame, one transformer layer, what its first frame says, and linear heads for
expression and intensity. The published network adds no positions and its attention bias has no effect (its forward
pass runs the layer again without it), so the order of frames after the first does not matter; the same holds here.
Modules carry the published names.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from flame_tools.errors import ShapeError
from readers.published.emotions import EXPRESSIONS, FEATURES

INTENSITIES = 3
_HEADS = 8


@dataclass(frozen=True)
class SequenceEmotion:
    """What it says of sequences [B]."""

    features: Tensor  # [B, width] in [-1, 1], which the video-emotion loss compares
    log_probabilities: Tensor  # [B, 8] in the order of EXPRESSIONS
    intensity_log_probabilities: Tensor  # [B, 3] of MEAD's levels 1 to 3


class _Layers(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, _HEADS, width, activation="gelu", batch_first=True)
        self.bottleneck = nn.Linear(FEATURES, width)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


class _Pooler(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.dense = nn.Linear(width, width)


class _Sequence(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.transformer_encoder = _Layers(width)
        self.pooler = _Pooler(width)


class _Head(nn.Module):
    def __init__(self, width: int, classes: int):
        super().__init__()
        self.classifier = nn.Linear(width, classes)


class _Heads(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        heads = {"expression": _Head(width, len(EXPRESSIONS)), "intensity": _Head(width, INTENSITIES)}
        self.classification_heads = nn.ModuleDict(heads)


class EmotionSequence(nn.Module):
    def __init__(self, width: int = 256):
        super().__init__()
        self.sequence_encoder = _Sequence(width)
        self.classification_head = _Heads(width)

    def forward(self, features: Tensor) -> SequenceEmotion:
        """Features [B, T, 2048] of an EmotionNet, 25 frames a second."""
        if features.ndim != 3 or features.shape[2] != FEATURES or not features.shape[1]:
            raise ShapeError(f"features are {list(features.shape)}, wanted [B, T, {FEATURES}] of an EmotionNet")
        layers = self.sequence_encoder.transformer_encoder
        first = layers.encoder(layers.bottleneck(features))[:, 0]
        pooled = self.sequence_encoder.pooler.dense(first).tanh()
        said = {
            name: head.classifier(pooled).log_softmax(-1)
            for name, head in self.classification_head.classification_heads.items()
        }
        return SequenceEmotion(pooled, said["expression"], said["intensity"])
