"""Motion as pictures, for losses that look: one person of average build in canonical light."""

from __future__ import annotations

import torch
from torch import Tensor

from animate.motion import face_of
from flame_tools.head import Head
from readers.coarse import coarse
from readers.stage import Stage
from readers.variation import Variation


class Seen:
    """Motion rows [B, T, D] (animate.motion) to pictures [B, T, H, W], differentiable."""

    def __init__(self, head: Head, view: str):
        stage = Stage(coarse(head), view)
        shape = head.v_template.new_zeros(head.shape_size)
        self.framing = stage.framing(shape)
        stage.head = stage.head.bake(shape)
        self.stage = stage

    def __call__(self, motion: Tensor) -> Tensor:
        vertices = self.stage.vertices(face_of(motion, self.stage.head))
        return self.of_vertices(vertices)

    def of_vertices(self, vertices: Tensor) -> Tensor:
        """Pictures of vertices [B, T, n, 3] of the stage, metres."""
        flat = vertices.flatten(0, -3)
        return self.stage(flat, self.framing, Variation.soft(len(flat)).to(flat)).unflatten(0, vertices.shape[:-2])


def stretch(frames: int, wanted: int | None, generator: torch.Generator | None) -> slice:
    """A stretch of `wanted` of the frames at a random place; all where that is None or more than there are."""
    if wanted is None or wanted >= frames:
        return slice(0, frames)
    first = int(torch.randint(frames - wanted + 1, (), generator=generator))
    return slice(first, first + wanted)
