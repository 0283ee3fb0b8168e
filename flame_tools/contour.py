"""The jaw line as it is seen: contour landmarks that slide along the face as it turns."""

from __future__ import annotations

import math

import torch
from torch import Tensor

REACH_DEG = 39  # the tables hold yaws of 0..39, then -1..-39 degrees


def yaw_of(rotation: Tensor) -> Tensor:
    """Rotation [..., 3, 3] -> its yaw [...] in radians, positive to the subject's left, within a right angle."""
    forward = torch.sqrt(rotation[..., 0, 0] ** 2 + rotation[..., 1, 0] ** 2)
    return torch.atan2(-rotation[..., 2, 0], forward)


def contour_row(yaw: Tensor) -> Tensor:
    """Yaw [...] in radians -> row [...] of a contour table: whole degrees, half to even, at most 39 either way."""
    degrees = torch.clamp(torch.nan_to_num(yaw) * 180.0 / math.pi, -REACH_DEG, REACH_DEG).round().long()
    return torch.where(degrees < 0, REACH_DEG - degrees, degrees)


def embed_rows(vertices: Tensor, row: Tensor, corners: Tensor, barycentrics: Tensor) -> Tensor:
    """Points [..., L, 3] of vertices [..., V, 3], each face by its own row [...] of corners and weights [R, L, 3]."""
    chosen = corners[row]  # [..., L, 3]
    at = chosen.flatten(-2).unsqueeze(-1).expand(*chosen.shape[:-2], -1, 3)
    places = torch.gather(vertices.expand(*row.shape, *vertices.shape[-2:]), -2, at).unflatten(-2, chosen.shape[-2:])
    return (places * barycentrics[row].unsqueeze(-1)).sum(-2)
