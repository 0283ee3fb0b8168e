"""Faces that are somebody's: one minus the cosine of a face recogniser's embeddings of photo and render.

DECA (Feng et al. 2021) compares features of VGGFace2's network; any recogniser that is an `Embedder` will do.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from recon.losses.features import feature_loss
from recon.losses.patch import arcface_patch, five_points
from recon.networks.identity import IdentityNetwork, load_identity
from recon.networks.mica import EMBEDDING, SIZE, ArcFace


class Embedder(Protocol):
    """A network that tells people apart."""

    size: int
    """Pixels a side of its pictures."""
    width: int
    """Numbers of an embedding."""

    def __call__(self, faces: Tensor) -> Tensor:
        """Faces [B, 3, size, size] RGB in [0, 1], aligned by five points as ArcFace's -> [B, width] of any length."""


class ArcFaceEmbedder(nn.Module):
    """A published ArcFace (`recon.losses.networks.load_arcface`, or MICA's) as an Embedder."""

    size, width = SIZE, EMBEDDING

    def __init__(self, network: ArcFace):
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, faces: Tensor) -> Tensor:
        return self.network(2 * faces - 1)


class BundledIdentity(nn.Module):
    """Our own, taught on made people in colour (`recon.train.identity`): of painted faces and photos, not grey ones."""

    def __init__(self, network: IdentityNetwork | None = None):  # the bundled one if not given
        super().__init__()
        self.network = (load_identity() if network is None else network).eval().requires_grad_(False)
        self.size, self.width = self.network.config.size, self.network.config.width

    def forward(self, faces: Tensor) -> Tensor:
        return self.network(faces)


class IdentityLoss:
    """Of pictures that show the same head in the same place, or each in its own."""

    def __init__(self, embedder: Embedder | None = None):  # BundledIdentity if not given
        self.embedder = BundledIdentity() if embedder is None else embedder

    def __call__(
        self,
        found: Tensor,  # [B, 3, S, S] RGB in [0, 1]
        wanted: Tensor,  # [B, 3, S, S] the photos
        landmarks: Tensor,  # [B, 68 or 468, 2] of the photos, crop units
        found_landmarks: Tensor | None = None,  # [B, 68 or 468, 2]; None: those of the photos
        mask: Tensor | None = None,  # [B] faces that count
    ) -> Tensor:
        with torch.no_grad():
            aim = self.embedded(wanted, landmarks)
        mine = landmarks if found_landmarks is None else found_landmarks
        return feature_loss(self.embedded(found, mine), aim, mask)

    def embedded(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """[B, width]"""
        return self.embedder(arcface_patch(five_points(landmarks)).cut(images, self.embedder.size, finer=2))
