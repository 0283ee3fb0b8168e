"""Lips that read as the truth's do: a lip reader's features of the pictures, frame by frame.

EMOTE (Danecek et al. 2023) takes one minus the cosine of a lip reader's features; the mean square of their difference
is milder where features are far apart. The reader must be one that was not taught by what it is to judge.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from animate.losses.masked import masked_mean
from animate.losses.seen import Seen, stretch
from flame_tools.errors import InputError
from flame_tools.head import Head
from readers.mouth import MouthReader, load_mouth_reader

MEASURES = ("cosine", "square")


class LipReading:
    """The loss of motion rows against motion rows, at 30 a second."""

    def __init__(
        self,
        head: Head,
        reader: MouthReader | None = None,  # the bundled one if not given
        *,
        measure: str = "cosine",
        frames: int | None = None,  # looked at in each crop, a stretch at a random place; None: all
    ):
        if measure not in MEASURES:
            raise InputError(f"there is no measure {measure!r} of lip reading; choose {' or '.join(MEASURES)}")
        self.reader = (load_mouth_reader() if reader is None else reader).eval().requires_grad_(False)
        self.reader = self.reader.to(head.v_template)
        self.seen = Seen(head, "mouth")
        self.measure, self.frames = measure, frames

    def __call__(
        self,
        found: Tensor,  # [B, T, D]
        wanted: Tensor,  # [B, T, D]
        mask: Tensor,  # [B, T] bool: frames that count
        generator: torch.Generator | None = None,  # of the stretch
    ) -> Tensor:
        part = stretch(found.shape[1], self.frames, generator)
        with torch.no_grad():
            aim = self.features(wanted[:, part])
        return lip_reading_loss(self.features(found[:, part]), aim, mask[:, part], measure=self.measure)

    def features(self, motion: Tensor) -> Tensor:
        """[B, T, width] of motion rows [B, T, D]."""
        return self.reader(self.seen(motion)).features


def lip_reading_loss(found: Tensor, wanted: Tensor, mask: Tensor, *, measure: str = "cosine") -> Tensor:
    """Of features [B, T, C]: 1 - cosine in [0, 2], or the mean square of their difference, over frames that count."""
    if measure == "cosine":
        return masked_mean(1 - cosine_similarity(found, wanted, dim=-1), mask)
    return masked_mean((found - wanted).square().mean(-1), mask)
