"""Faces in crops, as the losses meet them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flame_tools.head import Head
from flame_tools.types import FaceParams
from recon.networks.codes import projected


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class Posed:
    vertices: Tensor  # [B, V, 3] metres
    projected: Tensor  # [B, V, 3] crop units
    landmarks: Tensor  # [B, 68, 2] crop units


def posed(head: Head, params: FaceParams, camera=(9.0, 0.0, 0.03)) -> Posed:
    found = head(params)
    camera = torch.as_tensor(camera).to(found.vertices).expand(len(found.vertices), 3)
    marks = projected(head.landmarks(found, "68"), camera)[..., :2]
    return Posed(found.vertices, projected(found.vertices, camera), marks)
