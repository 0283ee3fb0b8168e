"""The convex hull of landmarks as a mask: where a photo shows the face, for `recon.networks.masking.masked`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def hull_mask(
    landmarks: Tensor,  # [B, L, 2] crop units
    size: int,
) -> Tensor:  # [B, 1, size, size] 1 at pixels whose centre lies in the hull; nothing where all points lie on a line
    """No gradient passes."""
    from scipy.spatial import ConvexHull, QhullError

    centres = (np.arange(size) + 0.5) * (2 / size) - 1
    masks = np.zeros((len(landmarks), size, size), np.float32)
    for mask, points in zip(masks, landmarks.detach().double().cpu().numpy(), strict=True):
        try:
            x, y, offset = ConvexHull(points).equations.T[..., None]  # [E, 1] outward normals
        except QhullError:
            continue
        most = 1e-9 - offset - y * centres  # [E, size] of x times the middle of a pixel in each row
        right, left, level = x[:, 0] > 0, x[:, 0] < 0, x[:, 0] == 0
        first, last = (most[left] / x[left]).max(0), (most[right] / x[right]).min(0)
        last[(most[level] < 0).any(0)] = -np.inf
        mask[:] = (first[:, None] <= centres) & (centres <= last[:, None])
    return torch.from_numpy(masks)[:, None].to(landmarks.device)
