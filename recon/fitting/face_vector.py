"""A face's parameters as the unknowns of a Layout, and back: all but pose and camera."""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.types import FaceParams


def face_vector(params: FaceParams) -> np.ndarray:
    """[..., S + E + 8]: the unknowns of a Layout up to the lids."""
    eyes = params.eyes[..., :2].flatten(-2)
    parts = (params.shape, params.expression, params.jaw[..., :2], eyes, params.eyelids)
    return torch.cat(parts, -1).double().cpu().numpy()


def face_of_vector(vectors: torch.Tensor, head: Head) -> FaceParams:
    """What `face_vector` gives [N, S + E + 8] as parameters again."""
    sizes = (head.shape_size, head.expression_size, 2, 4, 2)
    shape, expression, jaw, eyes, eyelids = vectors.split(sizes, -1)
    zero = torch.zeros_like(vectors[:, :3])
    return FaceParams(
        shape=shape, expression=expression, global_rotation=zero, neck=zero, jaw=torch.cat([jaw, zero[:, :1]], 1),
        eyes=torch.cat([eyes.unflatten(1, (2, 2)), zero[:, :2, None]], -1), eyelids=eyelids, translation=zero,
    )  # fmt: skip
