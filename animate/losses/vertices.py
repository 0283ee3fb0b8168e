"""Where the skin is: squared distances on a few hundred vertices of the face, in mm.

Parameters weigh what a rig happens to name; vertices weigh what is seen. The vertices are those next to the 468
landmarks, dense where faces speak (lips, lids, brows), and the inner lips.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from animate.losses.masked import masked_mean
from animate.motion import face_of
from flame_tools.errors import InputError
from flame_tools.head import Head

_TALKING = 2.0  # weight of the lips beside the rest of the face


class SparseFace:
    """A head cut down to what the losses look at, in millimetres."""

    def __init__(self, head: Head, device: str | torch.device = "cpu"):
        arrays = head.arrays
        if "468" not in arrays.landmarks or not len(arrays.inner_lip_pairs):
            raise InputError(
                f"head {arrays.id!r} lacks the 468 landmarks or inner_lip_pairs that training looks at; "
                "`emberface head add` gives a FLAME both"
            )
        marks = arrays.landmarks["468"]
        near = arrays.faces[marks.faces, marks.barycentrics.argmax(-1)]
        self.vertices = np.unique(np.concatenate([near, arrays.inner_lip_pairs.ravel()]))  # [n] on the head
        self.pairs = torch.as_tensor(np.searchsorted(self.vertices, arrays.inner_lip_pairs), device=device)  # [P, 2]
        small = head.bake(head.v_template.new_zeros(head.shape_size)).only(torch.as_tensor(self.vertices))
        self.head = small.to(device)
        lips = np.isin(self.vertices, arrays.regions.get("lips", arrays.inner_lip_pairs))
        self.weights = torch.as_tensor(np.where(lips, _TALKING, 1.0), dtype=torch.float32, device=device)  # [n]

    def __call__(self, motion: Tensor) -> Tensor:
        """Motion [..., D] -> vertices [..., n, 3] in mm, in the head's frame: the neck does not turn them."""
        face = face_of(motion, self.head)
        return 1e3 * self.head.vertices(face.replace(neck=torch.zeros_like(face.neck)))


def vertex_loss(
    found: Tensor,  # [B, T, n, 3] mm
    wanted: Tensor,  # [B, T, n, 3] mm
    weights: Tensor,  # [n]
    mask: Tensor,  # [B, T] bool
) -> Tensor:
    """Weighted mean squared distance in mm^2."""
    squared = (found - wanted).square().sum(-1) @ weights / weights.sum()
    return masked_mean(squared, mask)
