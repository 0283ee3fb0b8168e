"""Lips that read as the film's do: a lip reader's features of mouths that are cut out where the landmarks are.

SPECTRE (Filntisis et al. 2023) takes one minus the cosine of the ResNet's features of Ma et al. 2022. The
cosine alone exaggerates (EMOTE, Danecek et al. 2023); the mean square is milder where features are far apart.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from readers.mouth import MouthReader, load_mouth_reader
from readers.published.lips import SIZE, LipReader
from readers.stage import VIEWS
from recon.losses.features import feature_loss
from recon.losses.patch import grey, mouth_patch, view_patch

SPECTRE_HALF = 88 / 224  # crop units: 88 pixels of SPECTRE's crops of 224, whose margin is 1.6


class MouthFeatures(Protocol):
    """A network that reads lips."""

    fps: int
    """Frames a second that it was taught."""

    def __call__(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Films [B, T, 3, S, S] RGB in [0, 1], landmarks [B, T, 68, 2] in crop units -> features [B, T, C]."""


class PublishedLips(nn.Module):
    """A visual speech recogniser (`readers.published.checkpoints.load_lip_reader`)."""

    fps = 25

    def __init__(self, network: LipReader, *, half: float = SPECTRE_HALF):
        super().__init__()
        self.network, self.half = network.eval().requires_grad_(False), half

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """[B, T, 512]"""
        mouths = mouth_patch(landmarks.flatten(0, 1), self.half).cut(grey(images.flatten(0, 1)), SIZE)[:, 0]
        return self.network.appearance(mouths.unflatten(0, images.shape[:2]))


class BundledLips(nn.Module):
    """Our own reader. It was taught drawn mouths (`readers.stage`), not photos: compare renders with renders.

    Landmarks are best those of the person at rest in the same pose (`patch.view_patch`).
    """

    fps = 30

    def __init__(self, reader: MouthReader | None = None):  # the bundled one if not given
        super().__init__()
        self.reader = (load_mouth_reader() if reader is None else reader).eval().requires_grad_(False)

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """[B, T, width]"""
        patch = view_patch(landmarks.flatten(0, 1), VIEWS["mouth"])
        mouths = patch.cut(grey(images.flatten(0, 1)), self.reader.config.size, finer=2)[:, 0]
        return self.reader(mouths.unflatten(0, images.shape[:2])).features


class LipReadLoss:
    """Of films. Gradients reach pixels, and landmarks through the place of the cut."""

    def __init__(self, features: MouthFeatures, *, measure: str = "cosine"):
        self.features, self.measure = features, measure

    def __call__(
        self,
        found: Tensor,  # [B, T, 3, S, S]
        wanted: Tensor,  # [B, T, 3, S, S] the film
        landmarks: Tensor,  # [B, T, 68, 2] of the film, crop units
        found_landmarks: Tensor | None = None,  # [B, T, 68, 2] of what was found; None: those of the film
        mask: Tensor | None = None,  # [B, T] frames that count
    ) -> Tensor:
        with torch.no_grad():
            aim = self.features(wanted, landmarks)
        mine = landmarks if found_landmarks is None else found_landmarks
        return feature_loss(self.features(found, mine), aim, mask, measure=self.measure)
