"""Faces that feel what the photo's do: an emotion network's features (EMOCA: Danecek, Black and Bolkart 2022)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from readers.emotion import EmotionReader, load_emotion_reader
from readers.published.emotions import SIZE, EmotionNet
from readers.stage import VIEWS
from recon.losses.features import feature_loss
from recon.losses.patch import box_patch, grey, view_patch

_AFFECTNET = 1.25  # times the landmarks' box


class FaceFeatures(Protocol):
    """A network that reads faces."""

    def __call__(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Images [B, T, 3, S, S] RGB in [0, 1], landmarks [B, T, 68, 2] in crop units -> features [B, n, C]."""


class PublishedEmotion(nn.Module):
    """EMOCA's network (`readers.published.checkpoints.load_emotion_net`), frame by frame."""

    def __init__(self, network: EmotionNet):
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """[B, T, 2048]"""
        faces = box_patch(landmarks.flatten(0, 1), _AFFECTNET).cut(images.flatten(0, 1), SIZE)
        return self.network(faces).features.unflatten(0, images.shape[:2])


class BundledEmotion(nn.Module):
    """Our own reader, of whole sequences. It was taught drawn faces (`readers.stage`), not photos."""

    def __init__(self, reader: EmotionReader | None = None):  # the bundled one if not given
        super().__init__()
        self.reader = (load_emotion_reader() if reader is None else reader).eval().requires_grad_(False)

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """[B, 1, width]"""
        patch = view_patch(landmarks.flatten(0, 1), VIEWS["face"])
        faces = patch.cut(grey(images.flatten(0, 1)), self.reader.config.size, finer=2)[:, 0]
        return self.reader(faces.unflatten(0, images.shape[:2])).features[:, None]


class EmotionLoss:
    """Mean square of the features' difference, as SMIRK and SPECTRE; "cosine" as EMOTE."""

    def __init__(self, features: FaceFeatures, *, measure: str = "square"):
        self.features, self.measure = features, measure

    def __call__(
        self,
        found: Tensor,  # [B, T, 3, S, S]
        wanted: Tensor,  # [B, T, 3, S, S] the photos
        landmarks: Tensor,  # [B, T, 68, 2] of the photos, crop units
        found_landmarks: Tensor | None = None,  # [B, T, 68, 2]; None: those of the photos
    ) -> Tensor:
        with torch.no_grad():
            aim = self.features(wanted, landmarks)
        mine = landmarks if found_landmarks is None else found_landmarks
        return feature_loss(self.features(found, mine), aim, measure=self.measure)
