"""Attributes of corners at every pixel: the definition in torch, its CPU twin in numba, and both their gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def interpolate_torch(
    attributes: Tensor,  # [B or 1, V, C]
    faces: Tensor,  # [F, 3]
    face_id: Tensor,  # [B, H, W]
    bary: Tensor,  # [B, H, W, 3]
) -> Tensor:  # [B, H, W, C], zero where nothing is seen
    """The definition: the corners' attributes, weighted."""
    attributes = attributes.expand(len(face_id), *attributes.shape[-2:])
    corners = faces.long()[face_id.clamp(min=0).long()]  # [B, H, W, 3]
    image = torch.arange(len(face_id), device=attributes.device).reshape(-1, 1, 1, 1)
    return (attributes[image, corners] * bary[..., None]).sum(-2)
